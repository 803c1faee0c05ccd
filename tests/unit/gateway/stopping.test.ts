import { get, request } from 'node:http';
import { expect, test } from 'vitest';
import { FaultError } from '#lib/kernel/errors.ts';
import { byteModels } from '#tests/support/byte-model.ts';
import { startGateway } from '#tests/support/gateway-server.ts';
import { chunksOf, parseStream, readUntil, textOf } from '#tests/support/sse.ts';

/** A gateway that is closed in mid-answer, as a server is that gets a signal (S13). */

const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };
const STOPPING = { type: 'server_error', code: 'server_stopping', param: null };

/** What the wire said until it broke: `fetch` throws a body away that ends in a reset. */
function rawPost(
  url: string,
  body: object,
): Promise<{ status: number; text: string; whole: boolean }> {
  return new Promise((resolve, reject) => {
    const req = request(`${url}/v1/chat/completions`, { method: 'POST' }, (res) => {
      let text = '';
      res.on('data', (part: Buffer) => (text += part.toString()));
      res.on('error', () => undefined);
      res.on('close', () => resolve({ status: res.statusCode ?? 0, text, whole: res.complete }));
    });
    req.on('error', reject);
    req.end(JSON.stringify(body));
  });
}

test('[G13] a stream ends with an error event, then a reset, never a clean end', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.say('abc');
  const answer = rawPost(server.url, { ...ASK, stream: true });
  await expect.poll(() => server.answers.running).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const since = performance.now();
  await server.gateway.close();
  expect(performance.now() - since).toBeLessThan(400);
  const { status, text, whole } = await answer;
  expect([status, whole]).toEqual([200, false]);
  expect(textOf(chunksOf(text))).toBe('abc');
  const { data } = parseStream(text);
  expect(JSON.parse(data.at(-1) ?? '')).toMatchObject({ error: STOPPING });
  expect(data).not.toContain('[DONE]');
  expect(server.answers.running).toBe(0);
  expect(server.reported).toEqual([]);
});

test('[G13] a plain answer that runs becomes a 503 that may be asked again', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.say('abc');
  const asked = server.post('/v1/chat/completions', ASK);
  await expect.poll(() => server.answers.running).toBe(1);
  await server.gateway.close();
  const response = await asked;
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('5');
  expect(response.headers.get('x-should-retry')).toBeNull();
  expect(await response.json()).toMatchObject({ error: STOPPING });
  expect(server.answers.running).toBe(0);
});

test('[G13] a plain answer whose headers are out is reset', async () => {
  await using server = await startGateway({ plainCommitMs: 5, keepAliveMs: 5 });
  const answer = rawPost(server.url, ASK);
  await new Promise((resolve) => setTimeout(resolve, 60));
  await server.gateway.close();
  expect(await answer).toMatchObject({ status: 200, whole: false });
});

test('[G13] a prompt that is being read, and whoever asks later, hear a 503', async () => {
  const never = new Promise<never>(() => undefined);
  await using server = await startGateway(
    {},
    {
      ...byteModels,
      text: async (model) => ({ ...(await byteModels.text(model)), read: () => never }),
    },
  );
  const reading = server.post('/v1/chat/completions', ASK);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await server.gateway.close();
  expect((await reading).status).toBe(503);
  const late = await server.post('/v1/chat/completions', ASK);
  expect(late.status).toBe(503);
  expect(await late.json()).toMatchObject({ error: STOPPING });
  expect(server.answers.sessions).toEqual([]);
});

test('[G13] a prompt reader that fails because it was ended reports nothing', async () => {
  let fail: (error: unknown) => void = () => undefined;
  const ended = new Promise<never>((_, reject) => (fail = reject));
  await using server = await startGateway(
    {},
    {
      ...byteModels,
      text: async (model) => ({ ...(await byteModels.text(model)), read: () => ended }),
      close: () => fail(new FaultError('engine/lost', 'the prompt reader ended')),
    },
  );
  const reading = server.post('/v1/chat/completions', ASK);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await server.gateway.close();
  expect((await reading).status).toBe(503);
  expect(server.reported).toEqual([]);
});

test('[G13] a reader that takes nothing holds the end up for half a second at most', async () => {
  await using server = await startGateway();
  const stuck = request(`${server.url}/v1/chat/completions`, { method: 'POST' });
  stuck.on('error', () => undefined);
  stuck.on('response', (res) => res.pause());
  stuck.end(JSON.stringify({ ...ASK, stream: true }));
  await expect.poll(() => server.answers.running).toBe(1);
  // More than the kernel's buffers take.
  for (let index = 0; index < 80_000; index += 1) {
    server.answers.last.emit({ type: 'token', index, id: 65, finish: null });
  }
  const since = performance.now();
  await server.gateway.close();
  expect(performance.now() - since).toBeGreaterThan(400);
  expect(performance.now() - since).toBeLessThan(1_500);
  stuck.destroy();
});

test('[G6] an answer that ends in time is whole: the end waits for nobody else', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.say('abc');
    session.end();
  };
  const response = await server.post('/v1/chat/completions', { ...ASK, stream: true });
  const { body } = await readUntil(response, () => false);
  expect(body).toContain('data: [DONE]');
  const since = performance.now();
  await server.gateway.close();
  expect(performance.now() - since).toBeLessThan(200);
  await new Promise<void>((resolve) => {
    get(`${server.url}/healthz`, (res) => {
      expect(res.statusCode).toBe(503);
      res.resume();
      resolve();
    });
  });
});
