import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import { BYTE_MODEL, byteModels } from '#tests/support/byte-model.ts';

const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };

async function refused(server: TestGateway, path: string, body: unknown) {
  const response = await server.post(path, body);
  const json = (await response.json()) as { error: Record<string, unknown> };
  expect(Object.keys(json)).toEqual(['error']);
  expect(Object.keys(json.error).sort()).toEqual(['code', 'message', 'param', 'type']);
  expect(json.error['message']).toEqual(expect.any(String));
  expect(response.headers.get('x-request-id')).toMatch(/^req_/);
  return { status: response.status, headers: response.headers, ...json.error };
}

test('[G14] a parameter that would change the answer is refused by name, its no-op passes', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  const cases: [string, unknown, unknown][] = [
    ['best_of', 2, 1],
    ['response_format', { type: 'grammar' }, { type: 'text' }],
    ['tools', [{ type: 'function' }], []],
    ['tool_choice', 'required', 'none'],
    ['functions', [{}], []],
    ['min_tokens', 2, 0],
    ['length_penalty', 1.1, 1],
    ['modalities', ['audio'], ['text']],
    ['reasoning_effort', 'high', null],
    ['stop_token_ids', [5], []],
    ['guided_json', {}, null],
  ];
  for (const [param, bad, good] of cases) {
    expect(await refused(server, '/v1/chat/completions', { ...ASK, [param]: bad })).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      code: 'unsupported_parameter',
      param,
    });
    const accepted = await server.post('/v1/chat/completions', { ...ASK, [param]: good });
    expect([param, accepted.status]).toEqual([param, 200]);
  }
  for (const [param, bad] of [
    ['echo', true],
    ['suffix', 'x'],
    ['best_of', 3],
  ]) {
    const body = { model: 'bytes', prompt: 'p', [param as string]: bad };
    expect(await refused(server, '/v1/completions', body)).toMatchObject({ status: 400, param });
  }
});

test('[G15] ids that the model has not, and a prompt without any, are told', async () => {
  const nothing = {
    ...byteModels,
    text: async () => ({ ...(await byteModels.text(BYTE_MODEL)), read: () => Promise.resolve([]) }),
  };
  await using server = await startGateway();
  await using silent = await startGateway({}, nothing);
  for (const { answers } of [server, silent]) answers.onStart = (session) => session.end();
  const bias = { ...ASK, logit_bias: { [BYTE_MODEL.vocab]: 1 } };
  expect(await refused(server, '/v1/chat/completions', bias)).toMatchObject({
    ...{ status: 400, code: 'invalid_value', param: 'logit_bias' },
    message: 'Token ids of bytes are below 257.',
  });
  const empty = { status: 400, message: 'The prompt is empty.' };
  expect(await refused(silent, '/v1/chat/completions', ASK)).toMatchObject({
    ...empty,
    param: 'messages',
  });
  const raw = { model: 'bytes', prompt: 'p' };
  expect(await refused(silent, '/v1/completions', raw)).toMatchObject({
    ...empty,
    param: 'prompt',
  });
});

test('[G15] a wrong value is a 400 that names its parameter', async () => {
  await using server = await startGateway();
  const cases: [string, unknown][] = [
    ['model', 5],
    ['model', ''],
    ['messages', []],
    ['messages', 'hi'],
    ['messages', [{ role: 'tool', content: 'x' }]],
    ['messages', [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }]],
    ['messages', [{ role: 'user', content: null }]],
    ['messages', [{ role: 'user' }]],
    ['messages', [{ role: 'assistant', content: 'first' }]],
    ['n', 0],
    ['n', 9],
    ['n', '1'],
    ['max_tokens', 0],
    ['max_tokens', 1.5],
    ['max_tokens', '5'],
    ['max_completion_tokens', -1],
    ['temperature', 2.1],
    ['temperature', -0.1],
    ['temperature', '1'],
    ['top_p', 1.01],
    ['top_k', -2],
    ['seed', 0.5],
    ['seed', 2 ** 53],
    ['stop', ['a', 'b', 'c', 'd', 'e']],
    ['stop', ['']],
    ['stop', 5],
    ['stream', 'true'],
    ['stream_options', 5],
    ['ignore_eos', 1],
    ['return_token_ids', 'yes'],
  ];
  for (const [param, value] of cases) {
    const refusal = await refused(server, '/v1/chat/completions', { ...ASK, [param]: value });
    expect([param, value, refusal]).toMatchObject([
      param,
      value,
      { status: 400, param, type: 'invalid_request_error', code: 'invalid_value' },
    ]);
  }
  const hot = await refused(server, '/v1/chat/completions', { ...ASK, temperature: 2.1 });
  expect(hot).toMatchObject({ message: expect.stringContaining('<=2') as string });
  const ours: [string, unknown][] = [
    ['declai.resumable_s', { resumable_s: 61 }],
    ['declai.resume', { resume: { prompt_ids: [], accepted_ids: [], seed: 1 } }],
    ['declai.resume', { resume: { prompt_ids: [1], accepted_ids: [-1], seed: 1 } }],
    ['declai.resume', { resume: { prompt_ids: [257], accepted_ids: [], seed: 1 } }],
  ];
  for (const [param, declai] of ours) {
    const refusal = await refused(server, '/v1/chat/completions', { ...ASK, declai });
    expect(refusal).toMatchObject({ status: 400, param });
  }
  expect(await refused(server, '/v1/chat/completions', { model: 'bytes' })).toMatchObject({
    status: 400,
    param: 'messages',
  });
  for (const prompt of [['a', 'b'], [[1], [2]], [1.5], [300], '', [], {}, undefined]) {
    const refusal = await refused(server, '/v1/completions', { model: 'bytes', prompt });
    expect(refusal).toMatchObject({ status: 400, param: 'prompt' });
  }
  expect(server.answers.sessions).toEqual([]);
  expect(server.reported).toEqual([]);
});

test('[G15] what is no JSON object is a 400, unknown fields and __proto__ are nothing', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  for (const body of ['', '{', 'null', '[]', '"x"', '\u0000', '['.repeat(100_000)]) {
    expect(await refused(server, '/v1/chat/completions', body)).toMatchObject({ status: 400 });
  }
  const latin1 = await server.post('/v1/completions', '', {
    body: Buffer.from('{"model":"bytes","prompt":"\u00fc"}', 'latin1'),
  });
  expect(latin1.status).toBe(400);
  const body = `{"model":"bytes","messages":[{"role":"user","content":"hi","name":"x","__proto__":{"a":1}}],
    "__proto__":{"stream":true,"polluted":1},"constructor":{"prototype":{"polluted":1}},"whatever":[1,{"a":2}]}`;
  const response = await server.post('/v1/chat/completions', body);
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('[G16] a body over the limit is a 413 that its sender can read', async () => {
  await using server = await startGateway();
  const content = 'a'.repeat(20 * 2 ** 20);
  const body = { ...ASK, messages: [{ role: 'user', content }] };
  expect(await refused(server, '/v1/chat/completions', body)).toMatchObject({
    status: 413,
    type: 'invalid_request_error',
    code: 'request_too_large',
  });
  expect(server.answers.sessions).toEqual([]);
});

test('[G16] a body that breaks off or never ends costs nothing but its socket', async () => {
  await using server = await startGateway();
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"mo');
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.reported).toEqual([]);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
});

test('[G17] a prompt beyond the context is refused, a long wish is cut to what is left', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  const ask = (length: number, extra: object = {}) => ({
    model: 'bytes',
    prompt: 'x'.repeat(length),
    ...extra,
  });
  const { contextMax } = BYTE_MODEL;
  expect(await refused(server, '/v1/completions', ask(contextMax))).toMatchObject({
    status: 400,
    param: 'prompt',
    code: 'context_length_exceeded',
    message: `This model's context is ${contextMax} tokens; the prompt has ${contextMax}.`,
  });
  const wishes: [object, number][] = [
    [{}, contextMax - 10],
    [{ max_tokens: 1e9 }, contextMax - 10],
    [{ max_tokens: 7 }, 7],
  ];
  for (const [extra, maxTokens] of wishes) {
    const response = await server.post('/v1/completions', ask(10, extra));
    expect([response.status, await response.text()]).toEqual([200, expect.any(String)]);
    expect(server.answers.last.request.maxTokens).toBe(maxTokens);
  }
  await (
    await server.post('/v1/chat/completions', { ...ASK, max_tokens: 9, max_completion_tokens: 5 })
  ).text();
  expect(server.answers.last.request.maxTokens).toBe(5);
});

test('[G18] an unknown model is a 404, also for /v1/models/{id}', async () => {
  await using server = await startGateway();
  const model = '../secrets';
  expect(await refused(server, '/v1/chat/completions', { ...ASK, model })).toMatchObject({
    status: 404,
    param: 'model',
    code: 'model_not_found',
  });
  const response = await fetch(`${server.url}/v1/models/nobody`);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: { code: 'model_not_found' } });
});

test('[G19] no cover is a 429 that names the layers and asks for 30 s', async () => {
  await using server = await startGateway();
  server.answers.refusal = 'session/no-cover';
  server.answers.uncovered = [
    {
      model: BYTE_MODEL.id,
      ranges: [
        { first: 0, last: 0 },
        { first: 10, last: 19 },
      ],
    },
  ];
  const refusal = await refused(server, '/v1/chat/completions', { ...ASK, stream: true });
  expect(refusal).toMatchObject({
    status: 429,
    type: 'rate_limit_error',
    code: 'refuse.no_cover',
    message: 'No node holds layer 0, layers 10–19 of bytes. Open /volunteer in a tab to lend them.',
  });
  expect(refusal.headers.get('retry-after')).toBe('30');
});

test('[G12] a full queue is a 429 with a retry-after of 1 to 59 s', async () => {
  for (const [answerMsGuess, seconds] of [
    [10, '1'],
    [5_000, '5'],
    [3_600_000, '59'],
  ] as const) {
    await using server = await startGateway({ answerMsGuess });
    server.answers.refusal = 'session/queue-full';
    const refusal = await refused(server, '/v1/chat/completions', ASK);
    expect(refusal).toMatchObject({ status: 429, code: 'refuse.queue', type: 'rate_limit_error' });
    expect(refusal.headers.get('retry-after')).toBe(seconds);
  }
});

test('[G12] the gateway has its own bounds, and gives room back', async () => {
  await using server = await startGateway({ answersOpenMax: 1 });
  server.answers.refusal = 'session/no-cover';
  expect(await refused(server, '/v1/chat/completions', ASK)).toMatchObject({ status: 429 });
  server.answers.refusal = null;
  const first = await server.post('/v1/chat/completions', { ...ASK, stream: true });
  expect(first.headers.get('x-ratelimit-limit-requests')).toBe('1');
  expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('0');
  expect(await refused(server, '/v1/chat/completions', ASK)).toMatchObject({ status: 429 });
  server.answers.last.end();
  await first.text();
  const next = await server.post('/v1/chat/completions', { ...ASK, stream: true });
  expect(next.status).toBe(200);
  await next.body?.cancel();
});

test('[G20] a fault of ours is a 500 without detail, and goes to the log', async () => {
  await using server = await startGateway();
  server.answers.onStart = () => {
    throw new Error('secret of the house');
  };
  const refusal = await refused(server, '/v1/chat/completions', ASK);
  expect(refusal).toMatchObject({ status: 500, type: 'server_error', code: 'internal_error' });
  expect(JSON.stringify(refusal)).not.toContain('secret');
  expect(server.reported).toHaveLength(1);
});
