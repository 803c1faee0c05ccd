import { expect, test } from 'vitest';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import { BYTE_EOS, bytesOf } from '#tests/support/byte-model.ts';

const CHAT = '/v1/chat/completions';
const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };
const SCHEMA = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
  additionalProperties: false,
};
const named = (schema: unknown, more: object = {}) => ({
  type: 'json_schema',
  json_schema: { name: 'person', schema, ...more },
});

async function refused(server: TestGateway, extra: object, path = CHAT) {
  const response = await server.post(path, { ...ASK, prompt: 'p', ...extra });
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  return [response.status, error['code'], error['param']];
}

test('[G31] what the answer has to fit goes to the ring as JSON, of either door, streamed or not', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  const asked: readonly (readonly [unknown, string | null])[] = [
    [undefined, null],
    [null, null],
    [{ type: 'text' }, null],
    [{ type: 'json_object' }, '"json"'],
    [named(SCHEMA), JSON.stringify(SCHEMA)],
    [named(SCHEMA, { strict: true, description: 'd' }), JSON.stringify(SCHEMA)],
    [named({}, { strict: false }), '{}'],
  ];
  for (const [response_format, grammar] of asked) {
    for (const [path, rest] of [
      [CHAT, ASK],
      ['/v1/completions', { model: 'bytes', prompt: 'p' }],
    ] as const) {
      for (const stream of [false, true]) {
        const response = await server.post(path, { ...rest, stream, response_format });
        expect([response_format, response.status]).toEqual([response_format, 200]);
        await response.text();
        expect(server.answers.last.request.grammar).toBe(grammar);
      }
    }
  }
});

test('[G31] each id of the answer is looked at, choice by choice, as who samples it has to', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  const rest = { response_format: { type: 'json_object' }, n: 2 };
  await (await server.post(CHAT, { ...ASK, ...rest })).text();
  const checks = server.answers.sessions.map(({ request }) => request.mayFollow!);
  expect(checks).toHaveLength(2);
  const whole = bytesOf('{"a": [1]}');
  for (const mayFollow of checks) {
    whole.forEach((id, at) => {
      const said = whole.slice(0, at);
      // Asked twice, and of what was never said: the same word.
      expect([mayFollow(said, id), mayFollow(said, id)]).toEqual([true, true]);
      expect(mayFollow(said, BYTE_EOS)).toBe(false);
      expect(mayFollow(said, 0)).toBe(false);
    });
    expect(mayFollow(whole, BYTE_EOS)).toBe(true);
    expect(mayFollow(whole, bytesOf('{')[0]!)).toBe(false);
  }
});

test('[G31] any id may follow where the answer may be any text', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  await (await server.post(CHAT, ASK)).text();
  expect(server.answers.last.request.mayFollow).toBeUndefined();
});

test('[G31] what cannot be fitted is refused by name before a session', async () => {
  await using server = await startGateway();
  const unsupported = [
    { type: 'grammar' },
    named({ type: 'string', pattern: '^a' }),
    named({ type: 'object', patternProperties: {} }),
    named({ $ref: 'https://elsewhere.example/schema' }),
    named({ type: 'string', description: 'x'.repeat(256 * 1024) }),
  ];
  const invalid = [
    'json_object',
    [],
    {},
    { type: 5 },
    { type: 'json_schema' },
    { type: 'json_schema', json_schema: {} },
    named('json'),
    named(true),
    named([]),
    named({ type: 'no such type' }),
    named({ $ref: '#/nowhere' }),
  ];
  for (const [code, formats] of [
    ['unsupported_parameter', unsupported],
    ['invalid_value', invalid],
  ] as const) {
    for (const response_format of formats) {
      for (const path of [CHAT, '/v1/completions']) {
        const refusal = await refused(server, { response_format }, path);
        expect([response_format, refusal]).toEqual([
          response_format,
          [400, code, 'response_format'],
        ]);
      }
    }
  }
  const onAndOn = { response_format: { type: 'json_object' }, ignore_eos: true };
  expect(await refused(server, onAndOn)).toEqual([400, 'unsupported_parameter', 'ignore_eos']);
  expect(server.answers.sessions).toEqual([]);
  expect(server.reported).toEqual([]);
});

test('[G31] an answer that is resumed has to fit so far', async () => {
  await using server = await startGateway();
  server.answers.onStart = (session) => session.end();
  const resume = (text: string) => ({
    response_format: named(SCHEMA),
    declai: { resume: { prompt_ids: [1], accepted_ids: bytesOf(text), seed: 1 } },
  });
  expect(await refused(server, resume('{"age'))).toEqual([400, 'invalid_value', 'declai.resume']);
  const response = await server.post(CHAT, { ...ASK, ...resume('{"name') });
  expect(response.status).toBe(200);
  const { acceptedIds, grammar } = server.answers.last.request;
  expect([acceptedIds, grammar]).toEqual([bytesOf('{"name'), JSON.stringify(SCHEMA)]);
});
