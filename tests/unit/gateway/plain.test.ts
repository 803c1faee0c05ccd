import { expect, test } from 'vitest';
import { startGateway } from '#tests/support/gateway-server.ts';
import { BYTE_EOS, BYTE_MODEL, byteModels, bytesOf } from '#tests/support/byte-model.ts';
import { readUntil } from '#tests/support/sse.ts';

const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };

test('[G1] a plain answer is one object with message, finish_reason and usage', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.route();
    session.say('né');
    session.route(2, 'socket');
    session.end();
  };
  const response = await server.post('/v1/chat/completions', {
    ...ASK,
    seed: 7,
    return_token_ids: true,
  });
  expect(response.status).toBe(200);
  const prompt = bytesOf('user: hi\n');
  expect(await response.json()).toMatchObject({
    id: response.headers.get('x-declai-answer'),
    object: 'chat.completion',
    model: 'bytes',
    prompt_token_ids: prompt,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'né', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
        token_ids: [...bytesOf('né'), BYTE_EOS],
      },
    ],
    usage: {
      prompt_tokens: prompt.length,
      completion_tokens: 4,
      total_tokens: prompt.length + 4,
    },
    declai: { seed: 7, epoch: 2, moved: { at_index: 3, cause: 'socket' } },
  });
});

test('[G6] a lost plain answer is a 500 that asks not to be repeated', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.say('half');
    setTimeout(() => session.lose(), 5);
  };
  const response = await server.post('/v1/chat/completions', ASK);
  expect(response.status).toBe(500);
  expect(response.headers.get('x-should-retry')).toBe('false');
  expect(await response.json()).toMatchObject({ error: { code: 'answer.lost', param: null } });
  expect(server.reported).toEqual([]);
});

test('[G7] a long plain answer commits and sends white space; its JSON is still whole', async () => {
  await using server = await startGateway({ plainCommitMs: 20, keepAliveMs: 10 });
  const response = await server.post('/v1/chat/completions', ASK);
  expect(response.status).toBe(200);
  const { body: silence, rest } = await readUntil(response, (body) => body.length >= 3);
  expect(silence).toMatch(/^ +$/);
  server.answers.last.say('late');
  server.answers.last.end();
  expect(JSON.parse(silence + (await rest()))).toMatchObject({
    choices: [{ message: { content: 'late' } }],
  });
});

test('[G6] a long plain answer that is lost after it committed breaks off, never ends', async () => {
  await using server = await startGateway({ plainCommitMs: 20, keepAliveMs: 10 });
  const response = await server.post('/v1/chat/completions', ASK);
  setTimeout(() => server.answers.last.lose(), 20);
  await expect(response.text()).rejects.toThrow();
});

test('[G8] a client that hangs up on a plain answer frees its session', async () => {
  await using server = await startGateway();
  const abort = new AbortController();
  const asking = server.post('/v1/chat/completions', ASK, { signal: abort.signal });
  await expect.poll(() => server.answers.running).toBe(1);
  abort.abort();
  await expect(asking).rejects.toThrow();
  await expect.poll(() => server.answers.running, { timeout: 1000 }).toBe(0);
});

test('[G8] one that hangs up while its prompt is read gets no session', async () => {
  const text = byteModels.text(BYTE_MODEL);
  const abort = new AbortController();
  let readNow: () => void = () => undefined;
  const models = {
    ...byteModels,
    text: async () => {
      await new Promise<void>((resolve) => {
        readNow = resolve;
        abort.abort();
      });
      return text;
    },
  };
  await using server = await startGateway({}, models);
  const closed = new Promise((resolve) =>
    server.server.once('connection', (socket) => socket.once('close', resolve)),
  );
  const asking = server.post('/v1/chat/completions', ASK, { signal: abort.signal });
  await expect(asking).rejects.toThrow();
  await closed;
  readNow();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(server.answers.sessions).toEqual([]);
});

test('[G8] three hundred clients that ask and hang up leave nothing behind', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.route();
  const waves = Array.from({ length: 6 }, async () => {
    for (let i = 0; i < 50; i += 1) {
      const abort = new AbortController();
      const stream = i % 2 === 0;
      const asking = server.post(
        '/v1/chat/completions',
        { ...ASK, stream },
        { signal: abort.signal },
      );
      setTimeout(() => abort.abort(), i % 7);
      await asking.then((response) => response.text()).catch(() => undefined);
    }
  });
  await Promise.all(waves);
  // The server reads what it was sent before it learns that nobody waits: room tells when all is over.
  const room = async () => {
    const response = await server.post('/v1/chat/completions', { ...ASK, stream: true });
    await response.body?.cancel();
    const { promptIds, maxTokens } = server.answers.last.request;
    const remaining = Number(response.headers.get('x-ratelimit-remaining-tokens'));
    return remaining + promptIds.length + maxTokens;
  };
  await expect.poll(room, { timeout: 5000, interval: 100 }).toBe(8 * 2 ** 20);
  await expect.poll(() => server.answers.running).toBe(0);
  expect(server.answers.sessions.length).toBeGreaterThan(100);
});
