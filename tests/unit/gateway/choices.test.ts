import { expect, test } from 'vitest';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import { chunksOf, parseStream, type WireChunk } from '#tests/support/sse.ts';

const CHAT = '/v1/chat/completions';
const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }], n: 3, seed: 7 };
const PROMPT = 'user: hi\n'.length;

interface Whole {
  readonly choices: readonly {
    readonly index: number;
    readonly message?: { readonly content: string };
    readonly text?: string;
    readonly finish_reason: string;
    readonly token_ids?: readonly number[];
    readonly declai?: { readonly session: string };
  }[];
  readonly usage: Record<string, number>;
  readonly declai: { readonly session: string; readonly seed: number };
}

const ofChoice = (chunks: readonly WireChunk[], index: number) =>
  chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index));

/** Three sessions that say their number, a word each in turn. */
function speak({ answers }: TestGateway): void {
  answers.sessions.forEach((session) => session.route());
  for (const word of ['one ', 'two']) {
    answers.sessions.forEach((session, i) => session.say(`${word}${i}`));
  }
  answers.sessions.forEach((session) => session.end());
}

test('[G32] each choice is a session that knows its index; the answer has them all, the prompt once', async () => {
  await using server = await startGateway();
  const asked = server.post(CHAT, { ...ASK, return_token_ids: true });
  await expect.poll(() => server.answers.sessions.length).toBe(3);
  const sent = server.answers.sessions.map(({ request: { sampling, promptIds } }) => [
    sampling.choice,
    sampling.seed,
    promptIds.length,
  ]);
  expect(sent).toEqual([0, 1, 2].map((choice) => [choice, 7, PROMPT]));
  speak(server);
  const whole = (await (await asked).json()) as Whole;
  expect(whole.choices.map(({ index, message }) => [index, message?.content])).toEqual(
    [0, 1, 2].map((i) => [i, `one ${i}two${i}`]),
  );
  expect(whole.choices.map((choice) => choice.finish_reason)).toEqual(['stop', 'stop', 'stop']);
  const tokens = whole.choices.reduce((sum, choice) => sum + (choice.token_ids?.length ?? 0), 0);
  expect(whole.usage).toEqual({
    prompt_tokens: PROMPT,
    completion_tokens: tokens,
    total_tokens: PROMPT + tokens,
  });
  const sessions = [whole.declai, ...whole.choices.slice(1).map((choice) => choice.declai!)];
  expect(sessions.map(({ session }) => session)).toEqual(
    server.answers.sessions.map(({ session }) => session),
  );
});

test('[G32] a stream has the chunks of all, each with its index, role and finish; usage once', async () => {
  await using server = await startGateway();
  const stream_options = { include_usage: true };
  const response = await server.post(CHAT, { ...ASK, stream: true, stream_options });
  speak(server);
  const body = await response.text();
  const chunks = chunksOf(body);
  for (const index of [0, 1, 2]) {
    const mine = ofChoice(chunks, index);
    expect(mine[0]?.delta?.role).toBe('assistant');
    expect(mine.map(({ delta }) => delta?.content ?? '').join('')).toBe(`one ${index}two${index}`);
    const finishes = mine.map((choice) => choice.finish_reason);
    expect([finishes.at(-1), finishes.filter(Boolean).length]).toEqual(['stop', 1]);
  }
  expect(chunks.filter(({ choices }) => choices.length === 0)).toMatchObject([
    { usage: { prompt_tokens: PROMPT } },
  ]);
  expect(chunks.at(-1)?.choices).toEqual([]);
  expect(parseStream(body).data.at(-1)).toBe('[DONE]');
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
});

test('[G32] one that stops or is long enough does not end the others', async () => {
  await using server = await startGateway();
  const asked = server.post('/v1/completions', {
    ...{ model: 'bytes', prompt: 'p', n: 2, stop: '!', max_tokens: 6 },
  });
  await expect.poll(() => server.answers.sessions.length).toBe(2);
  const [first, second] = server.answers.sessions;
  first!.say('ab!c');
  expect([first!.cancelled, second!.cancelled]).toEqual([1, 0]);
  second!.say('abcdef');
  const { choices } = (await (await asked).json()) as Whole;
  expect(choices.map(({ text, finish_reason }) => [text, finish_reason])).toEqual([
    ['ab', 'stop'],
    ['abcdef', 'length'],
  ]);
});

test('[G32] a client that hangs up, or stops the answer, frees all its sessions', async () => {
  await using server = await startGateway();
  const abort = new AbortController();
  const { signal } = abort;
  await server.post(CHAT, { ...ASK, stream: true }, { signal });
  abort.abort();
  await expect.poll(() => server.answers.running).toBe(0);
  const response = await server.post(CHAT, { ...ASK, stream: true });
  server.answers.last.say('ab');
  const stopped = await fetch(
    `${server.url}/api/answers/${response.headers.get('x-declai-answer')}`,
    { method: 'DELETE' },
  );
  expect(await stopped.json()).toMatchObject({ stopped: true, tokens: 2 });
  expect(server.answers.running).toBe(0);
  await response.body?.cancel();
});

test('[G32] one that is lost ends the answer with an error and stops the others', async () => {
  await using server = await startGateway();
  const stream = await server.post(CHAT, { ...ASK, stream: true });
  const plain = server.post(CHAT, ASK);
  await expect.poll(() => server.answers.sessions.length).toBe(6);
  for (const at of [1, 4]) {
    server.answers.sessions[at - 1]!.say('ab');
    server.answers.sessions[at]!.lose();
  }
  const body = await stream.text();
  expect(ofChoice(chunksOf(body), 0).map(({ delta }) => delta?.content ?? '')).toContain('b');
  const { data } = parseStream(body);
  expect(data.at(-1)).toContain('"answer.lost"');
  const response = await plain;
  expect([response.status, response.headers.get('x-should-retry')]).toEqual([500, 'false']);
  expect(server.answers.running).toBe(0);
  expect(server.reported).toEqual([]);
});

test('[G32] all begin or none does, and all count for the room', async () => {
  await using server = await startGateway({ answersOpenMax: 4 });
  const first = await server.post(CHAT, { ...ASK, stream: true });
  expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1');
  expect((await server.post(CHAT, { ...ASK, n: 2 })).status).toBe(429);
  speak(server);
  await first.text();
  let begun = 0;
  server.answers.onStart = () => {
    begun += 1;
    if (begun === 2) server.answers.refusal = 'session/queue-full';
  };
  const refused = await server.post(CHAT, ASK);
  expect([refused.status, begun, server.answers.running]).toEqual([429, 2, 0]);
  server.answers.refusal = null;
  server.answers.onStart = (session) => session.end();
  const next = await server.post(CHAT, ASK);
  expect([next.status, next.headers.get('x-ratelimit-remaining-requests')]).toEqual([200, '4']);
});

test('[G32] several are not resumed; who asks again with the same key reads them all', async () => {
  await using server = await startGateway();
  const resume = { prompt_ids: [1], accepted_ids: [], seed: 1 };
  const refused = await server.post(CHAT, { ...ASK, declai: { resume } });
  expect(await refused.json()).toMatchObject({
    error: { code: 'unsupported_parameter', param: 'n' },
  });
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'k' };
  const asked = server.post(CHAT, ASK, { headers });
  await expect.poll(() => server.answers.sessions.length).toBe(3);
  speak(server);
  const whole = await (await asked).text();
  expect(await (await server.post(CHAT, ASK, { headers })).text()).toBe(whole);
  expect(server.answers.sessions.length).toBe(3);
});
