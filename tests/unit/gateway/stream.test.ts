import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startGateway } from '#tests/support/gateway-server.ts';
import { BYTE_EOS, bytesOf } from '#tests/support/byte-model.ts';
import { chunksOf, parseStream, readUntil, textOf } from '#tests/support/sse.ts';

const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }], stream: true };

test('[G1] a stream is chunks with role first, one finish_reason last, then [DONE] and nothing', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.route();
    session.say('Grüße, 🌍!');
    session.end();
  };
  const response = await server.post('/v1/chat/completions', ASK);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
  expect(response.headers.get('openai-processing-ms')).toMatch(/^\d+$/);
  const body = await response.text();
  const { data, others } = parseStream(body);
  expect(others).toEqual([]);
  expect(data.at(-1)).toBe('[DONE]');
  expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
  const chunks = chunksOf(body);
  expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' });
  expect(textOf(chunks)).toBe('Grüße, 🌍!');
  expect(chunks.map(({ choices }) => choices[0]?.finish_reason)).toEqual([
    ...new Array<null>(chunks.length - 1).fill(null),
    'stop',
  ]);
  for (const chunk of chunks) {
    expect(chunk).toMatchObject({ object: 'chat.completion.chunk', model: 'bytes' });
    expect(chunk.choices).toHaveLength(1);
    expect(chunk.choices[0]?.index).toBe(0);
    expect(chunk).not.toHaveProperty('usage');
  }
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
});

test('[G2] usage comes in one chunk with empty choices just before [DONE], only where asked for', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.say('abc');
    session.end();
  };
  const response = await server.post('/v1/chat/completions', {
    ...ASK,
    stream_options: { include_usage: true },
  });
  const chunks = chunksOf(await response.text());
  expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  const prompt = bytesOf('user: hi\n').length;
  expect(chunks.at(-1)).toMatchObject({
    choices: [],
    usage: { prompt_tokens: prompt, completion_tokens: 4, total_tokens: prompt + 4 },
  });
});

test('[G3] token ids are streamed where asked for, EOS among them but not in the text', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.say('ok');
    session.end();
  };
  const response = await server.post('/v1/chat/completions', { ...ASK, return_token_ids: true });
  const chunks = chunksOf(await response.text());
  expect(chunks[0]?.prompt_token_ids).toEqual(bytesOf('user: hi\n'));
  expect(chunks.flatMap(({ choices }) => choices[0]?.token_ids ?? [])).toEqual([
    ...bytesOf('ok'),
    BYTE_EOS,
  ]);
  expect(textOf(chunks)).toBe('ok');
});

test('[G4] a stop string leaks no character, is not counted past its end and frees the session', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => setTimeout(() => session.say('one STOP two'), 5);
  const response = await server.post('/v1/chat/completions', {
    ...ASK,
    stop: ['STOP'],
    stream_options: { include_usage: true },
  });
  const chunks = chunksOf(await response.text());
  expect(textOf(chunks)).toBe('one ');
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
  expect(chunks.at(-1)?.usage).toMatchObject({ completion_tokens: 'one STOP'.length });
  expect(server.answers.last).toMatchObject({ open: false, cancelled: 1 });
});

test('[G4] a stop string in the first step, before the session is known, cancels it too', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.say('X and more');
  const response = await server.post('/v1/chat/completions', { ...ASK, stop: 'X' });
  expect(textOf(chunksOf(await response.text()))).toBe('');
  expect(server.answers.last.open).toBe(false);
});

test('[G4] a possible stop string is given out when the answer ends otherwise', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.say('one ST');
    session.end();
  };
  const response = await server.post('/v1/chat/completions', { ...ASK, stop: 'STOP' });
  expect(textOf(chunksOf(await response.text()))).toBe('one ST');
});

test('[G5] the route travels in `declai`: on the first chunk, and where it changes', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.route();
    session.say('ab');
    session.route(2, 'socket');
    session.say('c');
    session.end();
  };
  const response = await server.post('/v1/chat/completions', ASK);
  const chunks = chunksOf(await response.text());
  expect(chunks[0]?.declai).toMatchObject({
    answer: chunks[0]?.id,
    session: server.answers.last.session,
    epoch: 1,
    index: 0,
    route: [
      { node: 'a'.repeat(64), kind: 'tab', first_layer: 0, last_layer: 14, path: 'direct' },
      { node: 'b'.repeat(64), kind: 'node', first_layer: 15, last_layer: 29, path: 'relay' },
    ],
  });
  const moved = chunks.filter(({ declai }) => declai?.['moved']);
  expect(moved.map(({ declai }) => declai)).toMatchObject([
    { index: 2, epoch: 2, moved: { at_index: 2, cause: 'socket', reason: 'answer.moved' } },
  ]);
  expect(textOf(chunks)).toBe('abc');
  expect(chunks.map(({ declai }) => declai?.index)).toEqual([0, 0, 1, 2, 2, 3, 4]);
});

test('[G6] a lost answer ends with an error event and without [DONE]', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => {
    session.say('par');
    setTimeout(() => session.lose(), 5);
  };
  const response = await server.post('/v1/chat/completions', ASK);
  const { data } = parseStream(await response.text());
  expect(data).not.toContain('[DONE]');
  expect(JSON.parse(data.at(-1)!)).toEqual({
    error: {
      message: 'The answer could not be continued; you were not charged.',
      type: 'server_error',
      param: null,
      code: 'answer.lost',
    },
  });
});

test('[G7] silence is broken by comments, and headers do not wait for a token', async () => {
  await using server = await startGateway({ keepAliveMs: 20 });
  const response = await server.post('/v1/chat/completions', ASK);
  server.answers.last.emit({ type: 'queued', position: 3 });
  const { body } = await readUntil(response, (text) => text.includes('queue position'));
  expect(parseStream(body).comments.at(-1)).toBe(': keep-alive, queue position 3');
  expect(chunksOf(body)).toHaveLength(1);
  server.answers.last.route();
  const again = await fetch(`${server.url}/api/answers/${chunksOf(body)[0]?.id ?? ''}`);
  const later = await readUntil(again, (text) => text.includes(': keep-alive'));
  expect(parseStream(later.body).comments).toEqual([': keep-alive']);
});

test('[G8] a client that hangs up frees its session at once', async () => {
  await using server = await startGateway();
  const abort = new AbortController();
  const response = await server.post('/v1/chat/completions', ASK, { signal: abort.signal });
  server.answers.last.say('a');
  await readUntil(response, (body) => body.includes('"a"'));
  abort.abort();
  await expect.poll(() => server.answers.last.cancelled, { timeout: 1000 }).toBe(1);
  expect(server.answers.running).toBe(0);
});

test('[G9] a reader that takes nothing holds nothing up, and is cut', async () => {
  await using server = await startGateway({ readerStallMs: 200 });
  // A client that sends and never reads; its kernel's buffer takes the first megabytes.
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname).pause();
  const body = JSON.stringify({ model: 'bytes', prompt: 'p', stream: true });
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  socket.write(body);
  await expect.poll(() => server.answers.running).toBe(1);
  const session = server.answers.last;
  const before = process.memoryUsage().arrayBuffers;
  let sent = 0;
  const chatter = setInterval(() => {
    for (let i = 0; i < 2000 && session.open; i += 1) {
      session.emit({ type: 'token', index: sent, id: 65, finish: null });
      sent += 1;
    }
  }, 1);
  try {
    await expect.poll(() => session.cancelled, { timeout: 10_000 }).toBe(1);
  } finally {
    clearInterval(chatter);
    socket.destroy();
  }
  expect(sent).toBeGreaterThan(10_000);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 2 ** 20);
});

test('[G10] text completions have their own dialect', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.say('abcdef');
  const response = await server.post('/v1/completions', {
    model: 'bytes',
    prompt: bytesOf('hé'),
    max_tokens: 3,
    stream: true,
    return_token_ids: true,
  });
  const chunks = chunksOf(await response.text());
  expect(server.answers.last.request.promptIds).toEqual(bytesOf('hé'));
  expect(chunks[0]?.choices[0]).toMatchObject({ prompt_token_ids: bytesOf('hé') });
  expect(chunks[0]?.object).toBe('text_completion');
  expect(chunks[0]?.id).toMatch(/^cmpl-[0-9a-f]{32}$/);
  expect(textOf(chunks)).toBe('abc');
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('length');
});
