import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { instantMs } from '#lib/kernel/units.ts';
import type { EndedAnswer } from '#server/gateway/answers/meter.ts';
import { createGateway } from '#server/gateway/gateway.ts';
import { makeHttpServer } from '#server/listen.ts';
import { byteModels } from '#tests/support/byte-model.ts';
import { MemoryAnswers, type MemorySession } from '#tests/support/memory-answers.ts';

/** What the operator is told, with a clock that stands still until the test moves it. */

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function watched() {
  let now = 1_000;
  const answers = new MemoryAnswers();
  const ended: EndedAnswer[] = [];
  const refused: string[] = [];
  const gateway = createGateway({
    ...{ answers, models: byteModels, report: () => undefined },
    clock: { now: () => instantMs(now) },
    observer: {
      answerEnded: (answer) => void ended.push(answer),
      requestRefused: (code) => void refused.push(code),
    },
  });
  const server = makeHttpServer(null, (req, res) => void gateway.handle(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    await gateway.close();
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const post = (body: object) =>
    fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'bytes', prompt: 'secret', ...body }),
    });
  /** The answer that `script` plays. */
  const play = async (script: (session: MemorySession) => void, body: object = {}) => {
    answers.onStart = (session) => setTimeout(() => script(session), 1);
    await post(body).then((response) => response.text());
    return ended.at(-1);
  };
  return { answers, ended, refused, post, play, pass: (ms: number) => (now += ms) };
}

test('[G25] an answer that ended is told in figures: TTFT from the request, speed between tokens', async () => {
  const { play, pass } = await watched();
  const answer = await play((session) => {
    pass(250);
    session.token(65);
    for (let i = 0; i < 10; i += 1) {
      pass(20);
      session.token(66);
    }
    session.end();
  });
  expect(answer).toEqual({
    ...{ session: '0'.repeat(32), end: 'stop', promptTokens: 6, tokens: 12 },
    ...{ ttftMs: 250, tokensPerSecond: 11 / 0.2 },
  });
});

test('[G25] each way that an answer ends has its name, and is told once', async () => {
  const { play, ended, post, answers } = await watched();
  expect((await play((session) => session.say('ab'), { max_tokens: 2 }))?.end).toBe('length');
  // The gateway's own stop: the session hears a cancel, the reader a stop.
  expect((await play((session) => session.say('a.b'), { stop: '.' }))?.end).toBe('stop');
  expect(await play((session) => session.lose())).toMatchObject({
    ...{ end: 'answer.lost', tokens: 0, ttftMs: null, tokensPerSecond: null },
  });
  answers.onStart = (session) => session.say('a');
  const hungUp = await post({ stream: true });
  await hungUp.body!.cancel();
  await expect.poll(() => ended.length).toBe(4);
  expect(ended.at(-1)?.end).toBe('answer.cancelled');
});

test('[G25] tokens that a resuming page brought are not counted again', async () => {
  const { play } = await watched();
  const resume = { prompt_ids: [1, 2], accepted_ids: [65, 66, 67], seed: 1 };
  const answer = await play(
    (session) => {
      session.say('d');
      session.end();
    },
    { declai: { resume } },
  );
  expect(answer).toMatchObject({ promptTokens: 2, tokens: 2 });
});

test('[G25] a refusal is told by the code that the client reads', async () => {
  const { post, refused, answers, ended } = await watched();
  await post({ model: 'none' });
  await post({ best_of: 3 });
  answers.refusal = 'session/queue-full';
  await post({});
  answers.refusal = 'session/no-cover';
  await post({});
  expect(refused).toEqual([
    ...['model_not_found', 'unsupported_parameter', 'refuse.queue', 'refuse.no_cover'],
  ]);
  expect(ended).toEqual([]);
});
