import { expect, test } from 'vitest';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import { begin, errorOf, openWire, postText, send } from '#tests/support/raw-http.ts';

/** Rules 10 and 11 of 4.8 and the last row of 4.9: a connection that closes, and comes again. */
const CHAT = '/v1/chat/completions';
const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };

/** Milliseconds from a hang-up until the session is cancelled. */
async function freed(server: TestGateway, hangUp: () => void): Promise<number> {
  const startedAt = performance.now();
  const session = server.answers.last;
  hangUp();
  await expect.poll(() => session.cancelled, { interval: 1 }).toBe(1);
  return performance.now() - startedAt;
}

test('[4.8.10] closing the connection ends the session: while it waits, in a stream, in a plain answer', async () => {
  await using server = await startGateway();
  const waiting = await begin(server.url, { path: CHAT, body: { ...ASK, stream: true } });
  server.answers.last.emit({ type: 'queued', position: 1 });
  await freed(server, waiting.hangUp);

  const stream = await begin(server.url, { path: CHAT, body: { ...ASK, stream: true } });
  server.answers.last.say('abc');
  await stream.until((body) => body.includes('"c"'));
  await freed(server, stream.hangUp);

  const plain = openWire(server.url);
  plain.socket.write(postText(CHAT, ASK));
  await expect.poll(() => server.answers.sessions.length).toBe(3);
  await freed(server, () => plain.socket.destroy());
  expect(server.answers.running).toBe(0);
});

test('[4.8.10] tokens that come after a hang-up are nobody’s: no fault, and the next one is answered', async () => {
  await using server = await startGateway();
  const stream = await begin(server.url, { path: CHAT, body: { ...ASK, stream: true } });
  const session = server.answers.last;
  await freed(server, stream.hangUp);
  session.emit({ type: 'token', index: 0, id: 65, finish: null });
  server.answers.onStart = (next) => next.end();
  expect((await send(server.url, { path: CHAT, body: ASK })).status).toBe(200);
  expect(server.reported).toEqual([]);
});

test('[4.9.p7] the session of a client that breaks off is freed within milliseconds', async () => {
  await using server = await startGateway();
  const times: number[] = [];
  for (let i = 0; i < 10; i += 1) {
    const stream = await begin(server.url, { path: CHAT, body: { ...ASK, stream: true } });
    times.push(await freed(server, stream.hangUp));
  }
  // Their table says 2–9 ms; the median of ten bears a busy machine.
  expect(times.sort((a, b) => a - b)[5]).toBeLessThan(100);
});

test('[4.8.10] requests behind one another on a connection that closes are all ended', async () => {
  await using server = await startGateway();
  const wire = openWire(server.url);
  const one = postText(CHAT, { ...ASK, stream: true });
  wire.socket.write(one + one + one);
  await expect.poll(() => server.answers.sessions.length).toBe(3);
  wire.socket.destroy();
  await expect.poll(() => server.answers.running).toBe(0);
});

test('[4.8.11] the hold of a connection that dies before its first token is released', async () => {
  await using server = await startGateway();
  const left = async () => {
    const { headers } = await send(server.url, { path: CHAT, body: { ...ASK, best_of: 2 } });
    return Number(headers['x-ratelimit-remaining-tokens']);
  };
  const before = await left();
  for (const stream of [true, false]) {
    const wire = openWire(server.url);
    wire.socket.write(postText(CHAT, { ...ASK, stream }));
    await expect.poll(() => server.answers.running).toBe(1);
    expect(await left()).toBeLessThan(before);
    wire.socket.destroy();
    await expect.poll(left).toBe(before);
  }
});

const keyed = (key: string, more: object = {}) => ({
  path: CHAT,
  body: { ...ASK, ...more },
  headers: { 'idempotency-key': key },
});

test('[G30] [4.8.11] who asks again with the same key reads the answer that runs, from its beginning', async () => {
  await using server = await startGateway();
  const first = await begin(server.url, keyed('k', { stream: true }));
  server.answers.last.say('ab');
  const again = await begin(server.url, keyed('k', { stream: true }));
  server.answers.last.say('c');
  server.answers.last.end();
  await Promise.all([first.whole, again.whole]);
  expect(again.body()).toBe(first.body());
  expect(again.headers['x-declai-answer']).toBe(first.headers['x-declai-answer']);
  expect(server.answers.sessions).toHaveLength(1);
});

test('[4.8.11] a finished answer is given again, without a session and without a hold', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.say('ab');
    session.end();
  };
  const first = await send(server.url, keyed('k'));
  const again = await send(server.url, keyed('k'));
  expect([again.status, again.body]).toEqual([200, first.body]);
  expect(server.answers.sessions).toHaveLength(1);
  const remaining = 'x-ratelimit-remaining-tokens';
  expect(again.headers[remaining]).toBe(first.headers[remaining]);
  for (const other of [keyed('k2'), { ...keyed('k'), headers: {} }]) {
    expect((await send(server.url, other)).headers['x-declai-answer']).not.toBe(
      first.headers['x-declai-answer'],
    );
  }
  // The same key with other credentials is another's.
  const headers = { 'idempotency-key': 'k', authorization: 'Bearer other' };
  await send(server.url, { ...keyed('k'), headers });
  expect(server.answers.sessions).toHaveLength(4);
});

test('[4.8.11] one that broke off, or was lost, is begun anew: nothing was charged for it', async () => {
  await using server = await startGateway();
  const first = await begin(server.url, keyed('k', { stream: true }));
  await freed(server, first.hangUp);
  server.answers.onStart = (session) => setTimeout(() => session.lose(), 1);
  expect((await send(server.url, keyed('k', { stream: true }))).body).toContain('answer.lost');
  server.answers.onStart = (session) => session.end();
  expect((await send(server.url, keyed('k', { stream: true }))).body).toContain('[DONE]');
  expect(server.answers.sessions).toHaveLength(3);
});

test('[4.8.11] a key of another question is a 422, one that no client makes a 400', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  await send(server.url, keyed('k'));
  const other = await send(server.url, keyed('k', { max_tokens: 3 }));
  expect([other.status, errorOf(other.body).code]).toEqual([422, 'idempotency_key_reused']);
  for (const key of ['', 'a b', 'x'.repeat(256)]) {
    const bad = await send(server.url, keyed(key));
    expect([bad.status, errorOf(bad.body).param]).toEqual([400, 'Idempotency-Key']);
  }
  expect(server.answers.sessions).toHaveLength(1);
});

test('[4.8.11] finished answers are kept for a while only', async () => {
  await using server = await startGateway({ retryKeptMs: 30 });
  server.answers.onStart = (session) => session.end();
  const first = await send(server.url, keyed('k'));
  const id = String(first.headers['x-declai-answer']);
  const kept = async () => (await send(server.url, { path: `/api/answers/${id}?from=9` })).status;
  await expect.poll(kept).toBe(404);
  await send(server.url, keyed('k'));
  expect(server.answers.sessions).toHaveLength(2);
});
