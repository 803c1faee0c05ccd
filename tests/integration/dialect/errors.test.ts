import { expect, test } from 'vitest';
import type { FaultCode } from '#lib/kernel/errors.ts';
import { REASONS } from '#lib/kernel/reasons.ts';
import { GATEWAY } from '#server/gateway/limits.ts';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import { begin, errorOf, send } from '#tests/support/raw-http.ts';

/** Rules 6 and 7 of 4.8 and the plain rows of 4.9: what a refused client sees. */
const CHAT = '/v1/chat/completions';
const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };
const ask = (server: TestGateway, body: unknown = ASK, path = CHAT) =>
  send(server.url, { path, body });

async function refusing(refusal: FaultCode, config = {}) {
  const server = await startGateway(config);
  server.answers.refusal = refusal;
  return server;
}

test('[4.8.6] every refusal is {error: {message, type, param, code}} with its status and an id', async () => {
  await using server = await startGateway();
  const long = 'x'.repeat(500);
  const cases: [unknown, string, number, string, string, string | null][] = [
    ['{', CHAT, 400, 'invalid_request_error', 'invalid_value', null],
    [
      { ...ASK, temperature: 3 },
      CHAT,
      400,
      'invalid_request_error',
      'invalid_value',
      'temperature',
    ],
    [
      { ...ASK, best_of: 2 },
      CHAT,
      400,
      'invalid_request_error',
      'unsupported_parameter',
      'best_of',
    ],
    [
      { model: 'bytes', prompt: long },
      '/v1/completions',
      400,
      'invalid_request_error',
      'context_length_exceeded',
      'prompt',
    ],
    [{ ...ASK, model: 'gpt-5' }, CHAT, 404, 'invalid_request_error', 'model_not_found', 'model'],
    [ASK, '/v1/embeddings', 404, 'invalid_request_error', 'not_found', null],
    [ASK, '/v1/models', 405, 'invalid_request_error', 'method_not_allowed', null],
  ];
  for (const [body, path, status, type, code, param] of cases) {
    const refusal = await ask(server, body, path);
    expect([path, refusal.status]).toEqual([path, status]);
    expect(errorOf(refusal.body)).toMatchObject({ type, code, param });
    expect(refusal.headers['content-type']).toBe('application/json');
    expect(refusal.headers['x-request-id']).toMatch(/^req_[0-9a-f]{32}$/);
  }
});

test('[4.8.6] a fault of ours is a 500 without detail', async () => {
  await using server = await startGateway();
  server.answers.onStart = () => {
    throw new Error('secret of the house');
  };
  const refusal = await ask(server);
  expect(refusal.status).toBe(500);
  expect(errorOf(refusal.body)).toMatchObject({ type: 'server_error', code: 'internal_error' });
  expect(refusal.body).not.toContain('secret');
  expect(server.reported).toHaveLength(1);
});

test('[4.8.6] a failure in mid-stream keeps status 200, says `error` and closes', async () => {
  await using server = await startGateway();
  const answer = await begin(server.url, { path: CHAT, body: { ...ASK, stream: true } });
  server.answers.last.say('par');
  server.answers.last.lose();
  await answer.whole;
  expect(answer.status).toBe(200);
  const last = answer.body().trimEnd().split('\n\n').at(-1)!;
  expect(errorOf(last.replace(/^data: /, ''))).toMatchObject({
    type: 'server_error',
    code: 'answer.lost',
  });
});

test('[4.8.7] a full queue is 429 with a whole number of seconds from 1 to 59', async () => {
  for (const [answerMsGuess, seconds] of [
    [1, '1'],
    [1_000, '1'],
    [5_001, '6'],
    [61_000, '59'],
    [3_600_000, '59'],
  ] as const) {
    await using server = await refusing('session/queue-full', { answerMsGuess });
    const refusal = await ask(server, { ...ASK, stream: true });
    expect([refusal.status, refusal.headers['retry-after']]).toEqual([429, seconds]);
    expect(refusal.headers['retry-after-ms']).toBeUndefined();
    expect(refusal.headers['x-should-retry']).toBeUndefined();
    expect(errorOf(refusal.body)).toMatchObject({ type: 'rate_limit_error', code: 'refuse.queue' });
  }
});

test('[4.8.7] x-should-retry: false goes with what no repetition helps', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => setTimeout(() => session.lose(), 1);
  const lost = await ask(server);
  expect([lost.status, lost.headers['x-should-retry']]).toEqual([500, 'false']);
  expect(errorOf(lost.body)).toMatchObject({ code: 'answer.lost' });
});

test('[4.8.7] a repeated request is told by x-stainless-retry-count, and is answered alike', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  for (const count of ['0', '2', 'many']) {
    const headers = { 'x-stainless-retry-count': count };
    expect(await send(server.url, { path: CHAT, body: ASK, headers })).toMatchObject({
      status: 200,
    });
  }
});

test('[4.8.7] headers go out at once, long before the first token', async () => {
  await using server = await startGateway();
  const answer = await begin(server.url, { path: CHAT, body: { ...ASK, stream: true } });
  expect(answer.status).toBe(200);
  expect(server.answers.last.open).toBe(true);
  expect(Number(answer.headers['openai-processing-ms'])).toBeLessThan(1_000);
  answer.hangUp();
});

test('[4.8.7] a stream that waits has a comment in every pause of ten seconds', async () => {
  expect(GATEWAY.keepAliveMs).toBeLessThanOrEqual(10_000);
  await using server = await startGateway({ keepAliveMs: 15 });
  const answer = await begin(server.url, { path: CHAT, body: { ...ASK, stream: true } });
  const comments = () => answer.body().split(': keep-alive\n\n').length - 1;
  await answer.until(() => comments() >= 3);
  server.answers.last.say('a');
  const spoken = await answer.until((body) => body.includes('"a"'));
  await answer.until((body) => body.length > spoken.length);
  expect(answer.body().slice(spoken.length)).toMatch(/^(: keep-alive\n\n)+$/);
  answer.hangUp();
});

test('[4.8.7] a plain answer commits before fetch gives up on headers, its body stays JSON', async () => {
  expect(GATEWAY.plainCommitMs + GATEWAY.keepAliveMs).toBeLessThan(300_000);
  await using server = await startGateway({ plainCommitMs: 20, keepAliveMs: 10 });
  const answer = await begin(server.url, { path: CHAT, body: ASK });
  await answer.until((body) => body.length >= 3);
  expect(answer.body()).toMatch(/^ +$/);
  server.answers.last.say('late');
  server.answers.last.end();
  expect(await answer.whole).toBe(true);
  expect(JSON.parse(answer.body())).toMatchObject({ choices: [{ message: { content: 'late' } }] });
});

test('[4.9.p1] after retry-after the same request is taken', async () => {
  await using server = await refusing('session/queue-full', { answerMsGuess: 900 });
  server.answers.onStart = (session) => session.end();
  const refusal = await ask(server);
  expect(refusal.headers['retry-after']).toBe('1');
  setTimeout(() => (server.answers.refusal = null), 900);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect((await ask(server)).status).toBe(200);
});

test('[4.9.p2] no refusal asks for 60 seconds or more: clients would not wait', async () => {
  for (const refusal of ['session/queue-full', 'session/no-cover'] as const) {
    await using server = await refusing(refusal, { answerMsGuess: 1e9 });
    const seconds = Number((await ask(server)).headers['retry-after']);
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(59);
  }
});

test('[4.9.p5] want of room or of nodes is 429, never 503: LangChain would ask seven times', async () => {
  const statuses: number[] = [];
  for (const refusal of ['session/queue-full', 'session/no-cover'] as const) {
    await using server = await refusing(refusal);
    statuses.push((await ask(server)).status, (await ask(server, { ...ASK, stream: true })).status);
  }
  await using small = await startGateway({ answersOpenMax: 1, readersPerAnswerMax: 1 });
  const open = await begin(small.url, { path: CHAT, body: { ...ASK, stream: true } });
  statuses.push((await ask(small)).status);
  const id = String(open.headers['x-declai-answer']);
  statuses.push((await send(small.url, { path: `/api/answers/${id}` })).status);
  open.hangUp();
  await using few = await startGateway({ tokensOpenMax: 10 });
  statuses.push((await ask(few)).status);
  expect(statuses).toEqual([429, 429, 429, 429, 429, 429, 429]);
});

test('[4.9.p6] a 400 is JSON with a code that is a word, never a number or plain text', async () => {
  await using server = await startGateway();
  for (const body of ['', 'x', '[]', '{"model":1}', { ...ASK, stop: 5 }, { ...ASK, tools: [1] }]) {
    const refusal = await ask(server, body);
    expect(refusal.status).toBe(400);
    expect(refusal.headers['content-type']).toBe('application/json');
    expect(errorOf(refusal.body).code).toMatch(/^[a-z_]+$/);
  }
});

test('[9] the codes of refusals and moves are of the closed list of reasons', async () => {
  const seen: string[] = [];
  for (const refusal of ['session/queue-full', 'session/no-cover'] as const) {
    await using server = await refusing(refusal);
    seen.push(String(errorOf((await ask(server)).body).code));
  }
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.route();
    session.route(2, 'socket');
    setTimeout(() => session.lose(), 5);
  };
  const { body } = await ask(server, { ...ASK, stream: true });
  seen.push(/"reason":"([^"]+)"/.exec(body)![1]!, /"code":"([^"]+)"/.exec(body)![1]!);
  expect(seen).toEqual(['refuse.queue', 'refuse.no_cover', 'answer.moved', 'answer.lost']);
  for (const code of seen) expect(REASONS).toHaveProperty([code]);
});
