import { expect, test } from 'vitest';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import { errorOf, send } from '#tests/support/raw-http.ts';

/** Rule 9 of 4.8: which parameters are taken, refused by name, or ignored. */
const CHAT = '/v1/chat/completions';
const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };

async function answering(): Promise<TestGateway> {
  const server = await startGateway();
  server.answers.onStart = (session) => {
    session.say('abc');
    session.end();
  };
  return server;
}

/** What the session was asked for, once the request was taken. */
async function taken(server: TestGateway, extra: object) {
  const { status, body } = await send(server.url, { path: CHAT, body: { ...ASK, ...extra } });
  expect([extra, status, body]).toEqual([extra, 200, expect.any(String)]);
  return server.answers.last.request;
}

test('[4.8.9] messages are text or parts, of every role that a conversation has', async () => {
  await using server = await answering();
  const messages = [
    { role: 'developer', content: 'brief' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
    { role: 'assistant', content: 'c', name: 'x', refusal: null },
    { role: 'user', content: '' },
  ];
  const { promptIds } = await taken(server, { messages });
  expect(Buffer.from(promptIds).toString()).toBe(
    'system: brief\nuser: a\nb\nassistant: c\nuser: \n',
  );
});

test('[4.8.9] max_tokens and max_completion_tokens are both taken, from 1 on; the newer one wins', async () => {
  await using server = await answering();
  expect((await taken(server, { max_tokens: 1 })).maxTokens).toBe(1);
  expect((await taken(server, { max_completion_tokens: 2 })).maxTokens).toBe(2);
  expect((await taken(server, { max_tokens: 9, max_completion_tokens: 3 })).maxTokens).toBe(3);
  expect((await taken(server, { max_tokens: 1e12 })).maxTokens).toBe(400 - 'user: hi\n'.length);
});

test('[4.8.9] temperature, top_p and seed reach the sampler', async () => {
  await using server = await answering();
  const { sampling } = await taken(server, { temperature: 0.5, top_p: 0.9, seed: 7 });
  expect(sampling).toMatchObject({ temperature: 0.5, topP: 0.9, seed: 7 });
  for (const [name, values] of Object.entries({
    temperature: [0, 2, null],
    top_p: [0, 1, null],
    seed: [-5, 0, 2 ** 53 - 1, null],
  })) {
    for (const value of values) await taken(server, { [name]: value });
  }
});

test('[4.8.9] penalties and logit_bias are taken within their bounds, else a 400 that names them', async () => {
  await using server = await answering();
  const { sampling } = await taken(server, { presence_penalty: 2, logit_bias: { 65: -100 } });
  expect(sampling.penalties).toMatchObject({ presence: 2, bias: [[65, -100]] });
  const bounds = {
    presence_penalty: { good: [-2, 0, null], bad: [2.1, '0'] },
    frequency_penalty: { good: [2, 0, null], bad: [-3, true] },
    repetition_penalty: { good: [1.2, 1, null], bad: [0, -1] },
    min_p: { good: [0, 1, null], bad: [1.1] },
    typical_p: { good: [0.2, 1, null], bad: [0] },
    logit_bias: { good: [{}, { 7: 100 }, null], bad: [{ 7: 101 }, { x: 1 }, { '-1': 1 }, []] },
  };
  for (const [param, { good, bad }] of Object.entries(bounds)) {
    for (const value of good) await taken(server, { [param]: value });
    for (const value of bad) {
      const refusal = await send(server.url, { path: CHAT, body: { ...ASK, [param]: value } });
      expect([param, value, refusal.status]).toEqual([param, value, 400]);
      expect(errorOf(refusal.body)).toMatchObject({ code: 'invalid_value', param });
    }
  }
});

test('[4.8.9] response_format is taken with and without a schema', async () => {
  await using server = await answering();
  const schema = { type: 'object', properties: { a: { type: 'null' } }, required: ['a'] };
  const asked = [
    [{ type: 'json_object' }, '"json"'],
    [{ type: 'json_schema', json_schema: { name: 'x', strict: true, schema } }, schema],
  ] as const;
  for (const [response_format, grammar] of asked) {
    const request = await taken(server, { response_format });
    expect(request.grammar).toBe(typeof grammar === 'string' ? grammar : JSON.stringify(grammar));
  }
});

test('[4.8.9] stop is a string or up to four', async () => {
  await using server = await answering();
  for (const stop of ['b', ['b'], ['x', 'y', 'z', 'b']]) {
    const { body } = await send(server.url, { path: CHAT, body: { ...ASK, stop } });
    expect(JSON.parse(body)).toMatchObject({ choices: [{ message: { content: 'a' } }] });
  }
  const five = await send(server.url, {
    path: CHAT,
    body: { ...ASK, stop: ['a', 'b', 'c', 'd', 'e'] },
  });
  expect([five.status, errorOf(five.body).param]).toEqual([400, 'stop']);
});

test('[4.8.9] what is not there passes where it changes nothing', async () => {
  await using server = await answering();
  const nothing = {
    n: [1, null],
    logprobs: [false, null],
    top_logprobs: [0, null],
    response_format: [{ type: 'text' }, null],
    tools: [[], null],
    tool_choice: ['none', 'auto', null],
    stream_options: [{ include_usage: false }, {}, null],
    stream: [false, null],
  };
  for (const [name, values] of Object.entries(nothing)) {
    for (const value of values) await taken(server, { [name]: value });
  }
});

test('[4.8.9] what is not there and would change the answer is a 400 that names it', async () => {
  await using server = await answering();
  const something = {
    best_of: [2],
    response_format: [{ type: 'grammar' }],
    tools: [[{ type: 'function', function: { name: 'f' } }], {}],
    tool_choice: ['required', { type: 'function', function: { name: 'f' } }],
  };
  for (const [param, values] of Object.entries(something)) {
    for (const value of values) {
      const refusal = await send(server.url, { path: CHAT, body: { ...ASK, [param]: value } });
      expect([param, value, refusal.status]).toEqual([param, value, 400]);
      expect(errorOf(refusal.body)).toMatchObject({ code: 'unsupported_parameter', param });
    }
  }
  expect(server.answers.sessions).toEqual([]);
});

test('[4.8.9] user, metadata and what nobody knows are ignored', async () => {
  await using server = await answering();
  await taken(server, {
    user: 'u',
    metadata: { a: 'b' },
    store: true,
    service_tier: 'auto',
    prompt_cache_key: 'k',
    safety_identifier: 's',
    made_up: { deep: [1, { deeper: null }] },
  });
  await taken(server, { user: 5, metadata: 'not an object' });
});
