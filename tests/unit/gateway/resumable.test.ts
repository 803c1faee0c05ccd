import { expect, test } from 'vitest';
import { startGateway } from '#tests/support/gateway-server.ts';
import { BYTE_EOS, bytesOf } from '#tests/support/byte-model.ts';
import { chunksOf, parseStream, readUntil, textOf } from '#tests/support/sse.ts';

const TEXT = 'Grüße aus Köln 🌍, und weiter.';
const ASK = {
  model: 'bytes',
  messages: [{ role: 'user', content: 'hi' }],
  stream: true,
  declai: { resumable_s: 30 },
};

/** Starts an answer, reads its first chunks and breaks the connection. */
async function broken(
  server: Awaited<ReturnType<typeof startGateway>>,
  ask: object,
  spoken: string,
) {
  const abort = new AbortController();
  const response = await server.post('/v1/chat/completions', ask, { signal: abort.signal });
  server.answers.last.say(spoken);
  const { body } = await readUntil(
    response,
    (text) => chunksOf(text.slice(0, text.lastIndexOf('\n\n') + 2)).length > bytesOf(spoken).length,
  );
  abort.abort();
  return { id: response.headers.get('x-declai-answer')!, chunks: chunksOf(body) };
}

test('[G11] a resumable answer goes on without its connection and reads on from any index', async () => {
  await using server = await startGateway();
  const { id } = await broken(server, ASK, 'Grüße');
  await expect.poll(() => server.answers.running).toBe(1);
  server.answers.last.say(TEXT.slice('Grüße'.length));
  server.answers.last.end();
  const whole = chunksOf(await (await fetch(`${server.url}/api/answers/${id}`)).text());
  expect(textOf(whole)).toBe(TEXT);
  for (const from of [0, 1, 3, 4, 17, 20, bytesOf(TEXT).length, bytesOf(TEXT).length + 1]) {
    const body = await (await fetch(`${server.url}/api/answers/${id}?from=${from}`)).text();
    const chunks = chunksOf(body);
    const before = whole.slice(1).filter(({ declai }) => declai!.index! < from);
    expect(textOf(before) + textOf(chunks)).toBe(TEXT);
    expect(chunks[0]?.declai?.index).toBe(from);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop');
    expect(parseStream(body).data.at(-1)).toBe('[DONE]');
  }
});

test('[G11] it ends when nobody came back in time, and its id is forgotten', async () => {
  await using server = await startGateway();
  const { id } = await broken(server, { ...ASK, declai: { resumable_s: 0.15 } }, 'ab');
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(server.answers.running).toBe(1);
  await expect.poll(() => server.answers.running, { timeout: 1000 }).toBe(0);
  const response = await fetch(`${server.url}/api/answers/${id}`);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: { code: 'not_found' } });
});

test('[G11] several readers see the same text; the last one keeps it alive', async () => {
  await using server = await startGateway();
  const { id } = await broken(server, { ...ASK, declai: { resumable_s: 0.1 } }, 'ab');
  const readers = await Promise.all(
    [0, 1, 2].map((from) => fetch(`${server.url}/api/answers/${id}?from=${from}`)),
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(server.answers.running).toBe(1);
  server.answers.last.say('cd');
  server.answers.last.end();
  const texts = await Promise.all(
    readers.map(async (reader) => textOf(chunksOf(await reader.text()))),
  );
  expect(texts).toEqual(['abcd', 'bcd', 'cd']);
});

test('[G11] readers of one answer are bounded', async () => {
  await using server = await startGateway({ readersPerAnswerMax: 2 });
  const response = await server.post('/v1/chat/completions', ASK);
  const id = response.headers.get('x-declai-answer')!;
  const second = await fetch(`${server.url}/api/answers/${id}`);
  const third = await fetch(`${server.url}/api/answers/${id}`);
  expect([second.status, third.status]).toEqual([200, 429]);
  await Promise.all([response.body?.cancel(), second.body?.cancel()]);
});

test('[G11] DELETE stops it: its readers get an error, its id is forgotten', async () => {
  await using server = await startGateway();
  const response = await server.post('/v1/chat/completions', ASK);
  const id = response.headers.get('x-declai-answer')!;
  server.answers.last.say('abc');
  const stop = await fetch(`${server.url}/api/answers/${id}`, { method: 'DELETE' });
  expect(await stop.json()).toEqual({ id, object: 'answer', stopped: true, tokens: 3 });
  expect(server.answers.last.cancelled).toBe(1);
  const { data } = parseStream(await response.text());
  expect(data).not.toContain('[DONE]');
  expect(JSON.parse(data.at(-1)!)).toMatchObject({ error: { code: 'answer.cancelled' } });
  expect((await fetch(`${server.url}/api/answers/${id}`, { method: 'DELETE' })).status).toBe(404);
});

test('[G11] finished answers without a reader are bounded; the oldest goes first', async () => {
  await using server = await startGateway({ answersKeptMax: 2 });
  server.answers.onStart = (session) => {
    session.say('x');
    session.end();
  };
  const ids: string[] = [];
  for (let i = 0; i < 4; i += 1) {
    const response = await server.post('/v1/chat/completions', ASK);
    await response.text();
    ids.push(response.headers.get('x-declai-answer')!);
  }
  const status = async () =>
    Promise.all(
      ids.map(async (id) => (await fetch(`${server.url}/api/answers/${id}?from=1`)).status),
    );
  await expect.poll(status).toEqual([404, 404, 200, 200]);
});

test('[G11] a bad id or index is refused', async () => {
  await using server = await startGateway();
  const response = await server.post('/v1/chat/completions', ASK);
  const id = response.headers.get('x-declai-answer')!;
  for (const from of ['-1', '1e3', '0x1', ' 1', '99999999', '']) {
    const answer = await fetch(`${server.url}/api/answers/${id}?from=${encodeURIComponent(from)}`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { param: 'from' } });
  }
  for (const path of ['nobody', 'chatcmpl-' + '0'.repeat(32), '%2e%2e', 'a/b', '']) {
    expect((await fetch(`${server.url}/api/answers/${path}`)).status).toBe(404);
  }
  await response.body?.cancel();
});

test('[G13] an answer whose gateway died goes on from ids, accepted ones and seed', async () => {
  await using server = await startGateway();
  const accepted = bytesOf('Grüße').slice(0, 3);
  server.answers.onStart = (session) => {
    session.route();
    for (const id of bytesOf('Grüße').slice(3)) session.token(id);
    session.end();
  };
  const response = await server.post('/v1/chat/completions', {
    model: 'bytes',
    stream: true,
    max_tokens: 20,
    return_token_ids: true,
    stream_options: { include_usage: true },
    declai: { resume: { prompt_ids: bytesOf('p'), accepted_ids: accepted, seed: 99 } },
  });
  const chunks = chunksOf(await response.text());
  expect(server.answers.last.request).toMatchObject({
    promptIds: bytesOf('p'),
    acceptedIds: accepted,
    maxTokens: 20,
    sampling: { seed: 99 },
  });
  // The third byte was the first half of "ü": its reader had not seen it yet.
  expect(textOf(chunks)).toBe('üße');
  expect(chunks.flatMap(({ choices }) => choices[0]?.token_ids ?? [])).toEqual([
    ...bytesOf('Grüße').slice(3),
    BYTE_EOS,
  ]);
  expect(chunks[0]?.declai?.index).toBe(3);
  expect(chunks.at(-1)?.usage).toEqual({ prompt_tokens: 1, completion_tokens: 8, total_tokens: 9 });
});

test('[G13] one that had ended already gets its end without a session', async () => {
  await using server = await startGateway();
  const resume = (accepted_ids: number[], extra: object = {}) =>
    server.post('/v1/chat/completions', {
      model: 'bytes',
      stream: true,
      declai: { resume: { prompt_ids: [1], accepted_ids, seed: 1 } },
      ...extra,
    });
  const finish = async (response: Response) =>
    chunksOf(await response.text()).at(-1)?.choices[0]?.finish_reason;
  expect(await finish(await resume([65, BYTE_EOS]))).toBe('stop');
  expect(await finish(await resume([65, 66], { max_tokens: 2 }))).toBe('length');
  expect(await finish(await resume([65, 66], { stop: 'B' }))).toBe('stop');
  expect(server.answers.sessions).toEqual([]);
  const past = await resume([BYTE_EOS, 65]);
  expect(past.status).toBe(400);
  expect(await past.json()).toMatchObject({ error: { param: 'declai.resume' } });
});

test('[G13] a gateway that ends resets who can go on elsewhere, and cancels the session', async () => {
  await using server = await startGateway();
  const response = await server.post('/v1/chat/completions', {
    ...ASK,
    declai: { resumable_s: 30 },
  });
  server.answers.last.say('abc');
  const { body, rest } = await readUntil(response, (text) => text.includes('"c"'));
  const closed = server.gateway.close();
  // An error event would be the answer's end to a page that reads on by itself.
  await expect(rest()).rejects.toThrow();
  await closed;
  expect(textOf(chunksOf(body))).toBe('abc');
  expect(server.answers.running).toBe(0);
});
