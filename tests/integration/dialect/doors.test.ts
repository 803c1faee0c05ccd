import { expect, test } from 'vitest';
import { BYTE_MODEL, bytesOf } from '#tests/support/byte-model.ts';
import { startGateway } from '#tests/support/gateway-server.ts';
import { send } from '#tests/support/raw-http.ts';

/** Rules 1, 2 and 8 of 4.8: the doors, the plain answer, the rate headers. */
const CHAT = '/v1/chat/completions';
const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };

/** What openai 6.49 and LangChain send from a browser. */
const STAINLESS = [
  'x-stainless-arch',
  'x-stainless-helper-method',
  'x-stainless-lang',
  'x-stainless-os',
  'x-stainless-package-version',
  'x-stainless-retry-count',
  'x-stainless-runtime',
  'x-stainless-runtime-version',
  'x-stainless-timeout',
];

async function answering(text = 'né') {
  const server = await startGateway();
  server.answers.onStart = (session) => {
    session.route();
    session.say(text);
    session.end();
  };
  return server;
}

test('[4.8.1] chat, models and one model answer, with any bearer and with none', async () => {
  await using server = await answering();
  for (const headers of [{}, { authorization: 'Bearer sk-any' }, { authorization: 'Basic eDp5' }]) {
    const chat = await send(server.url, { path: CHAT, body: ASK, headers });
    expect(chat).toMatchObject({ status: 200, whole: true });
    const list = await send(server.url, { path: '/v1/models', headers });
    expect(list.status).toBe(200);
    const { object, data } = JSON.parse(list.body) as { object: string; data: unknown[] };
    expect(object).toBe('list');
    const one = await send(server.url, { path: '/v1/models/bytes', headers });
    expect(JSON.parse(one.body)).toEqual(data[0]);
    expect(data).toEqual([
      {
        id: 'bytes',
        object: 'model',
        created: 0,
        owned_by: 'declai',
        max_model_len: BYTE_MODEL.contextMax,
        declai: { name: 'Bytes', licence: 'none', hash: BYTE_MODEL.hash, layers: 30 },
      },
    ]);
  }
});

test('[4.8.1] a browser may ask from any origin, with every header that the SDK sends', async () => {
  await using server = await answering();
  const asked = ['authorization', 'content-type', ...STAINLESS].join(',');
  for (const [path, method] of [
    [CHAT, 'POST'],
    ['/v1/completions', 'POST'],
    ['/v1/models', 'GET'],
    ['/v1/models/bytes', 'GET'],
  ] as const) {
    const { status, headers, body } = await send(server.url, {
      method: 'OPTIONS',
      path,
      headers: {
        origin: 'https://example.org',
        'access-control-request-method': method,
        'access-control-request-headers': asked,
      },
    });
    expect([path, status, body]).toEqual([path, 204, '']);
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(headers['access-control-allow-headers']).toBe(asked);
    expect(headers['access-control-allow-methods']).toContain(method);
  }
});

test('[4.8.1] a script may read every answer, refusals and streams too, and the headers it needs', async () => {
  await using server = await answering();
  const origin = { origin: 'https://example.org' };
  const asks = [
    { path: CHAT, body: ASK },
    { path: CHAT, body: { ...ASK, stream: true } },
    { path: CHAT, body: { ...ASK, best_of: 2 } },
    { path: CHAT, body: 'no JSON' },
    { path: '/v1/models/nobody' },
    { path: '/v1/nothing' },
  ];
  for (const ask of asks) {
    const { headers } = await send(server.url, { ...ask, headers: origin });
    expect(headers['access-control-allow-origin']).toBe('*');
    const exposed = String(headers['access-control-expose-headers']).split(', ');
    expect(exposed).toEqual(
      expect.arrayContaining(['x-request-id', 'retry-after', 'x-should-retry', 'x-declai-answer']),
    );
    expect(headers['x-request-id']).toMatch(/^req_[0-9a-f]{32}$/);
  }
});

test('[4.8.2] a plain answer is exactly this object', async () => {
  await using server = await answering();
  const { status, headers, body } = await send(server.url, { path: CHAT, body: ASK });
  expect(status).toBe(200);
  expect(headers['content-type']).toBe('application/json');
  expect(headers['content-length']).toBe(String(Buffer.byteLength(body)));
  const answer = JSON.parse(body) as Record<string, unknown>;
  const prompt = bytesOf('user: hi\n').length;
  expect(answer).toEqual({
    id: headers['x-declai-answer'],
    object: 'chat.completion',
    created: expect.any(Number) as number,
    model: 'bytes',
    system_fingerprint: 'fp_bbbbbbbbbbbb',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'né', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: prompt, completion_tokens: 4, total_tokens: prompt + 4 },
    declai: expect.any(Object) as object,
  });
  expect(answer['id']).toMatch(/^chatcmpl-[0-9a-f]{32}$/);
  expect(Math.abs(Number(answer['created']) - Date.now() / 1000)).toBeLessThan(60);
});

test('[4.8.2] a plain text completion has `text` in its place', async () => {
  await using server = await answering();
  const ask = { path: '/v1/completions', body: { model: 'bytes', prompt: 'hi' } };
  const answer = JSON.parse((await send(server.url, ask)).body) as Record<string, unknown>;
  expect(answer).toMatchObject({
    id: expect.stringMatching(/^cmpl-[0-9a-f]{32}$/) as string,
    object: 'text_completion',
    choices: [{ index: 0, text: 'né', logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 2, completion_tokens: 4, total_tokens: 6 },
  });
});

test('[4.8.8] rate, time and request id stand on answers, streams and refusals', async () => {
  await using server = await answering();
  const asks: [unknown, number][] = [
    [ASK, 200],
    [{ ...ASK, stream: true }, 200],
    [{ ...ASK, best_of: 2 }, 400],
    [{ ...ASK, model: 'nobody' }, 404],
  ];
  const ids = new Set<unknown>();
  for (const [body, status] of asks) {
    const { headers, ...answer } = await send(server.url, { path: CHAT, body });
    expect(answer.status).toBe(status);
    for (const what of ['requests', 'tokens']) {
      const limit = Number(headers[`x-ratelimit-limit-${what}`]);
      const remaining = Number(headers[`x-ratelimit-remaining-${what}`]);
      expect(limit).toBeGreaterThan(0);
      expect(remaining).toBeGreaterThanOrEqual(0);
      expect(remaining).toBeLessThanOrEqual(limit);
      expect(headers[`x-ratelimit-reset-${what}`]).toMatch(/^(\d+ms|\d+(\.\d)?s|\d+m\d+s)$/);
    }
    expect(headers['openai-processing-ms']).toMatch(/^\d+$/);
    ids.add(headers['x-request-id']);
  }
  expect(ids.size).toBe(asks.length);
});

test('[4.8.8] the numbers are true: what is open is missing from what remains', async () => {
  await using server = await startGateway();
  const left = async (what: 'requests' | 'tokens') => {
    const { headers } = await send(server.url, { path: CHAT, body: { ...ASK, best_of: 2 } });
    return Number(headers[`x-ratelimit-remaining-${what}`]);
  };
  const before = { requests: await left('requests'), tokens: await left('tokens') };
  const body = { ...ASK, max_tokens: 10 };
  const asking = send(server.url, { path: CHAT, body });
  await expect.poll(() => server.answers.running).toBe(1);
  expect(await left('tokens')).toBe(before.tokens - bytesOf('user: hi\n').length - 10);
  server.answers.last.end();
  await asking;
  expect(await left('tokens')).toBe(before.tokens);
  server.answers.queued = server.answers.queuedMax - 1;
  expect(await left('requests')).toBe(1);
});
