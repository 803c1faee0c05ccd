import { afterAll, beforeAll, expect, test } from 'vitest';
import { askPairs, jsonPairs } from '#tests/support/json-pairs.ts';
import { TestServer } from '#tests/support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
}, 90_000);
afterAll(() => server.stop());

test('[C6] twenty of the 200 pairs, 16 at a time: each answer parses and fits, or is cut', async () => {
  const pairs = jsonPairs();
  const some = [...pairs.slice(0, 8), ...pairs.filter((_, i) => i >= 8 && i % 16 === 0)];
  expect([pairs.length, some.length]).toEqual([200, 20]);
  const verdicts = await askPairs(server.url, some, { maxTokens: 40, atOnce: 16 });
  const wrong = verdicts.filter(({ fault }) => fault !== null);
  expect(wrong, server.log().slice(-4000)).toEqual([]);
  const whole = verdicts.filter(({ finish }) => finish === 'stop');
  expect(whole.length).toBeGreaterThanOrEqual(some.length / 2);
}, 60_000);

test('[G32] choices of one request differ, and are those that their index gives', async () => {
  const ask = async (n: number, temperature: number) => {
    const response = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ model: 'smollm2-135m-instruct', prompt: 'The old lighthouse keeper said', n },
        ...{ temperature, seed: 3, max_tokens: 12, logprobs: 1 },
      }),
    });
    const { choices } = (await response.json()) as {
      choices: { text: string; logprobs: { token_logprobs: number[] } }[];
    };
    expect(choices.map(({ logprobs }) => logprobs.token_logprobs.length)).toEqual(
      choices.map(() => 12),
    );
    return choices.map(({ text }) => text);
  };
  const three = await ask(3, 1);
  expect(new Set(three).size).toBe(3);
  expect(await ask(1, 1)).toEqual(three.slice(0, 1));
  expect(await ask(3, 1)).toEqual(three);
  expect(new Set(await ask(2, 0)).size).toBe(1);
}, 60_000);
