import { expect, test } from 'vitest';
import { startGateway } from '#tests/support/gateway-server.ts';
import { BYTE_MODEL } from '#tests/support/byte-model.ts';

test('[G21] models, status and health are read with GET and HEAD', async () => {
  await using server = await startGateway();
  const json = async (path: string): Promise<unknown> => (await fetch(server.url + path)).json();
  expect(await json('/v1/models')).toMatchObject({
    object: 'list',
    data: [{ id: 'bytes', object: 'model', owned_by: 'declai' }],
  });
  expect(await json('/v1/models/bytes')).toMatchObject({ id: 'bytes', object: 'model' });
  expect(await json('/healthz')).toEqual({ status: 'ok' });
  server.answers.uncovered = [{ model: BYTE_MODEL.id, ranges: [{ first: 10, last: 19 }] }];
  expect(await json('/api/status')).toMatchObject({
    nodes: [],
    sessions: 0,
    queued: 0,
    relayedBytes: 0,
    models: [
      { id: 'bytes', layers: 30, context: 400, covered: 20, uncovered: [{ first: 10, last: 19 }] },
    ],
  });
  for (const path of ['/v1/models', '/v1/models/bytes', '/healthz', '/api/status']) {
    const head = await fetch(server.url + path, { method: 'HEAD' });
    expect([path, head.status, await head.text()]).toEqual([path, 200, '']);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(0);
  }
});

test('[G21] a model that no cluster serves has no holder at all', async () => {
  await using server = await startGateway();
  const status: unknown = await (await fetch(`${server.url}/api/status`)).json();
  expect(status).toMatchObject({ models: [{ covered: 0, uncovered: [{ first: 0, last: 29 }] }] });
});

test('[G21] other paths are left to others, unknown ones of ours are 404, wrong methods 405', async () => {
  await using server = await startGateway();
  for (const path of ['/', '/chat', '/v10', '/api/other', '/healthz/x', '/volunteer']) {
    expect(await (await fetch(server.url + path)).text()).toBe('not the gateway’s');
  }
  for (const path of ['/v1', '/v1/embeddings', '/v1/models/a/b', '/api/answers']) {
    const response = await fetch(server.url + path);
    expect([path, response.status]).toEqual([path, 404]);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
  }
  for (const [method, path] of [
    ['GET', '/v1/chat/completions'],
    ['POST', '/v1/models'],
    ['DELETE', '/api/status'],
  ] as const) {
    const response = await fetch(server.url + path, { method });
    expect(response.status).toBe(405);
    expect(await response.json()).toMatchObject({ error: { code: 'method_not_allowed' } });
  }
});

test('[G22] a script of any origin may ask, with the headers that SDKs send', async () => {
  await using server = await startGateway();
  const asked = 'authorization,content-type,x-stainless-os,x-stainless-retry-count';
  const preflight = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://example.org',
      'access-control-request-method': 'POST',
      'access-control-request-headers': asked,
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
  expect(preflight.headers.get('access-control-allow-headers')).toBe(asked);
  expect(preflight.headers.get('access-control-allow-methods')).toBe('POST, OPTIONS');
  const strange = await fetch(`${server.url}/v1/models`, {
    method: 'OPTIONS',
    headers: { 'access-control-request-headers': 'a b;c' },
  });
  expect(strange.headers.get('access-control-allow-headers')).toBe('authorization, content-type');
  const response = await server.post('/v1/chat/completions', {});
  expect(response.status).toBe(400);
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
  expect(response.headers.get('access-control-expose-headers')).toContain('x-request-id');
});

test('[G23] what a request asks for is what the session gets', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  const ask = async (extra: object) => {
    await (await server.post('/v1/completions', { model: 'bytes', prompt: 'p', ...extra })).text();
    return server.answers.last.request;
  };
  const defaults = await ask({});
  expect(defaults.sampling).toMatchObject({ temperature: 1, topP: 1, topK: 0, choice: 0 });
  expect(defaults.eosIds).toEqual(BYTE_MODEL.eosIds);
  const other = await ask({});
  expect(other.sampling.seed).not.toBe(defaults.sampling.seed);
  expect((await ask({ temperature: 0, top_p: 0.5, top_k: 40, seed: 5 })).sampling).toEqual({
    temperature: 0,
    topP: 0.5,
    topK: 40,
    minP: 0,
    typicalP: 1,
    seed: 5,
    choice: 0,
    logprobs: null,
    penalties: null,
  });
  const { sampling } = await ask({
    min_p: 0.1,
    typical_p: 0.9,
    presence_penalty: -2,
    frequency_penalty: 0.5,
    repetition_penalty: 1.2,
    logit_bias: { 65: -100, 66: 1.5 },
  });
  expect(sampling).toMatchObject({ minP: 0.1, typicalP: 0.9 });
  expect(sampling.penalties).toEqual({
    repetition: 1.2,
    presence: -2,
    frequency: 0.5,
    bias: [
      [65, -100],
      [66, 1.5],
    ],
  });
  const neutral = { presence_penalty: 0, repetition_penalty: 1, logit_bias: {} };
  expect((await ask(neutral)).sampling.penalties).toBeNull();
  expect((await ask({ top_p: 0 })).sampling).toMatchObject({ topK: 1, topP: 1 });
  expect((await ask({ top_k: -1, seed: -1 })).sampling).toMatchObject({
    topK: 0,
    seed: Number.MAX_SAFE_INTEGER,
  });
  expect((await ask({ ignore_eos: true })).eosIds).toEqual([]);
  expect((await ask({ temperature: null, stop: null, seed: null, stream: null })).maxTokens).toBe(
    399,
  );
});

test('[G23] roles, text parts and a list of one prompt are understood', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  const text = () => Buffer.from(server.answers.last.request.promptIds).toString();
  const messages = [
    { role: 'developer', content: 'be brief' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
    { role: 'assistant', content: '' },
  ];
  await (await server.post('/v1/chat/completions', { model: 'bytes', messages })).text();
  expect(text()).toBe('system: be brief\nuser: a\nb\nassistant: \n');
  for (const prompt of ['ab', ['ab'], [97, 98], [[97, 98]]]) {
    await (await server.post('/v1/completions', { model: 'bytes', prompt })).text();
    expect(text()).toBe('ab');
  }
});
