import { afterAll, beforeAll, expect, test } from 'vitest';
import { goldenRow } from '#tests/support/golden.ts';
import { begin, errorOf, openWire, postText, send } from '#tests/support/raw-http.ts';
import { TestServer } from '#tests/support/server.ts';
import { chunksOf, parseStream, textOf } from '#tests/support/sse.ts';

/** What only the whole product can show: its own sockets, the real model, sessions that are freed. */
const CHAT = '/v1/chat/completions';
const row = goldenRow('capital');
const ASK = { model: 'smollm2-135m-instruct', messages: row.messages, temperature: 0 };
const LONG = {
  ...ASK,
  messages: [{ role: 'user', content: 'Tell me a very long story about a lighthouse.' }],
};

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
  await server.until('the built-in volunteer', (status) => status.routes.length > 0);
}, 90_000);
afterAll(() => server.stop());

const idle = () =>
  expect
    .poll(async () => (await server.status()).sessions, { timeout: 1_000, interval: 20 })
    .toBe(0);

test('[4.8.2] the golden answer, plain, with its true counts', async () => {
  const { status, body } = await send(server.url, { path: CHAT, body: ASK });
  expect(status).toBe(200);
  expect(JSON.parse(body)).toMatchObject({
    choices: [{ message: { role: 'assistant', content: row.greedyText }, finish_reason: 'stop' }],
    usage: { prompt_tokens: row.promptIds.length, completion_tokens: row.greedyIds.length },
  });
});

test('[4.8.3] the golden answer, streamed: text, one finish_reason, [DONE] and nothing after it', async () => {
  const stream_options = { include_usage: true };
  const ask = { path: CHAT, body: { ...ASK, stream: true, stream_options } };
  const { body, whole } = await send(server.url, ask);
  expect(whole).toBe(true);
  const chunks = chunksOf(body);
  expect(textOf(chunks)).toBe(row.greedyText);
  const finishes = chunks.flatMap(({ choices }) => choices.map((choice) => choice.finish_reason));
  expect(finishes.filter(Boolean)).toEqual(['stop']);
  expect(chunks.at(-1)).toMatchObject({
    choices: [],
    usage: { completion_tokens: row.greedyIds.length },
  });
  expect(parseStream(body).others).toEqual([]);
  expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
  expect(chunks.some(({ declai }) => declai?.['route'])).toBe(true);
});

test('[4.8.7] headers of a stream come before its first token', async () => {
  const prompt = 'word '.repeat(120);
  const startedAt = performance.now();
  const body = { model: ASK.model, prompt, stream: true, max_tokens: 1 };
  const answer = await begin(server.url, { path: '/v1/completions', body });
  const headersMs = performance.now() - startedAt;
  await answer.until((text) => text.includes('"finish_reason":"length"'));
  const tokenMs = performance.now() - startedAt;
  expect(await answer.whole).toBe(true);
  expect(headersMs).toBeLessThan(tokenMs / 2);
});

test('[4.8.10] a hang-up frees the session within a second: in a stream, in a plain answer, behind another', async () => {
  const stream = await begin(server.url, { path: CHAT, body: { ...LONG, stream: true } });
  await stream.until((body) => chunksOf(body.slice(0, body.lastIndexOf('\n\n') + 2)).length > 4);
  stream.hangUp();
  await idle();
  const wire = openWire(server.url);
  wire.socket.write(postText(CHAT, LONG) + postText(CHAT, { ...LONG, stream: true }));
  await expect.poll(async () => (await server.status()).sessions).toBe(2);
  wire.socket.destroy();
  await idle();
});

test('[4.8.6] refusals of the whole product are in the dialect: by the door, the model and the socket', async () => {
  const long = { ...ASK, messages: [{ role: 'user', content: 'word '.repeat(9_000) }] };
  const refusals = [
    [{ path: CHAT, body: long }, 400, 'context_length_exceeded'],
    [{ path: CHAT, body: { ...ASK, tools: [{}] } }, 400, 'unsupported_parameter'],
    [{ path: CHAT, body: { ...ASK, model: 'gpt-5' } }, 404, 'model_not_found'],
    [{ path: '/v1/embeddings', body: {} }, 404, 'not_found'],
    [{ path: CHAT, body: Buffer.alloc(2 ** 21, 'a') }, 413, 'request_too_large'],
    [
      { path: CHAT, body: '{}', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported_media_type',
    ],
    [{ path: '/v1/models', headers: { cookie: 'a'.repeat(20_000) } }, 431, 'headers_too_large'],
  ] as const;
  for (const [ask, status, code] of refusals) {
    const refusal = await send(server.url, ask);
    expect([code, refusal.status, errorOf(refusal.body).code]).toEqual([code, status, code]);
  }
  const wire = openWire(server.url);
  wire.socket.write('hello\r\n\r\n');
  expect(await wire.closed).toMatch(/^HTTP\/1\.1 400 [^]*"invalid_request_error"/);
});

test('[4.8.1] whoever asks for another protocol is refused in the dialect, never left hanging', async () => {
  const upgrade = ['connection: upgrade', 'upgrade: websocket', 'sec-websocket-version: 13'];
  for (const path of [CHAT, '/v1/models', '/chat', '/_next/webpack-hmr', '/nowhere']) {
    const wire = openWire(server.url);
    wire.socket.write(postText(path, ASK, upgrade));
    const said = await wire.closed;
    expect([path, said]).toEqual([path, expect.stringMatching(/^HTTP\/1\.1 400 /)]);
    expect(errorOf(said.slice(said.indexOf('\r\n\r\n') + 4)).code).toBe('invalid_value');
  }
});

test('[4.8.7] after all this the process is alive and has reported nothing', async () => {
  expect((await send(server.url, { path: '/healthz' })).status).toBe(200);
  expect((await server.status()).sessions).toBe(0);
  expect(server.log()).not.toMatch(/req_[0-9a-f]{32} |Unhandled|uncaught/i);
});
