import { expect, test } from 'vitest';
import { begin, send } from '#tests/support/raw-http.ts';
import { ASK, CHAT, refused, underAttack } from './http-rig.ts';

const TEXT = '/v1/completions';
const MIB = 2 ** 20;

test('[G16] a chat body of 50 MB is a 413 that its sender can read, and is not kept', () =>
  underAttack(async (server) => {
    const content = 'a'.repeat(50 * MIB);
    const body = Buffer.from(JSON.stringify({ ...ASK, messages: [{ role: 'user', content }] }));
    const before = process.memoryUsage().arrayBuffers;
    const refusal = { status: 413, code: 'request_too_large', param: null };
    expect(await refused(server, { path: CHAT, body })).toEqual(refusal);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MIB);
    // Without a length, in chunks: the limit is on what comes, not on what is announced.
    const part = body.subarray(0, 2 * MIB);
    expect(await refused(server, { path: TEXT, body: part, chunked: true })).toEqual(refusal);
  }));

test('[G16] a body that never ends is cut, after its sender was told', () =>
  underAttack(
    async (server) => {
      const body = Buffer.alloc(MIB, 'a');
      const answer = await begin(server.url, { path: CHAT, body }).catch((error: unknown) => error);
      if (answer instanceof Error) expect(answer.message).toMatch(/ECONNRESET|EPIPE|hang up/);
      else expect(answer).toMatchObject({ status: 413 });
    },
    { bodyBytesMax: 1_000, refusedBodyBytesMax: 100_000 },
  ));

test('[G15] nesting as deep as a body allows is a 400, wherever it stands', () =>
  underAttack(async (server) => {
    const lists = `${'['.repeat(400_000)}${']'.repeat(400_000)}`;
    const objects = `${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}`;
    const places = { messages: 2, stop: 2, tools: 2, temperature: 2, declai: 1, stream_options: 1 };
    for (const [name, kinds] of Object.entries(places)) {
      for (const deep of [lists, objects].slice(0, kinds)) {
        const rest = name === 'messages' ? '' : '"messages":[{"role":"user","content":"hi"}],';
        const body = `{"model":"bytes",${rest}"${name}":${deep}}`;
        const refusal = await refused(server, { path: CHAT, body });
        expect([name, refusal]).toMatchObject([name, { status: 400, param: name }]);
      }
    }
    for (const deep of [lists, objects]) {
      expect(await refused(server, { path: TEXT, body: deep })).toMatchObject({ status: 400 });
      const prompt = `{"model":"bytes","prompt":${deep}}`;
      expect(await refused(server, { path: TEXT, body: prompt })).toMatchObject({
        param: 'prompt',
      });
    }
    // Where nobody looks it does no harm either.
    server.answers.onStart = (session) => session.end();
    const ignored = `{"model":"bytes","prompt":"hi","metadata":${objects}}`;
    expect((await send(server.url, { path: TEXT, body: ignored })).status).toBe(200);
  }));

/** One of each kind of JSON, and what is special among numbers and texts. */
const KINDS = {
  text: '"x"',
  empty: '""',
  number: '0.5',
  negative: '-7',
  infinite: '1e999',
  huge: '9007199254740993',
  yes: 'true',
  list: '["x"]',
  numbers: '[0.5]',
  object: '{"x":1}',
} as const;
type Kind = keyof typeof KINDS;

/** Which of them each parameter may take; all others are a 400 that names it. */
const TAKES: Readonly<Record<string, readonly Kind[]>> = {
  model: [],
  messages: [],
  max_tokens: [],
  max_completion_tokens: [],
  temperature: ['number'],
  top_p: ['number'],
  top_k: [],
  seed: ['negative'],
  stop: ['text', 'empty', 'list'],
  stream: ['yes'],
  stream_options: ['object'],
  ignore_eos: ['yes'],
  return_token_ids: ['yes'],
  declai: ['object'],
  n: [],
  presence_penalty: ['number'],
  frequency_penalty: ['number'],
  logit_bias: [],
  logprobs: ['yes'],
  top_logprobs: [],
  response_format: [],
  tools: [],
  tool_choice: [],
  min_p: ['number'],
  stop_token_ids: [],
  chat_template: [],
};

test('[G15] a wrong type for any parameter is a 400 that names it', () =>
  underAttack(async (server) => {
    const sessions = server.answers.sessions.length;
    server.answers.onStart = (session) => session.end();
    for (const [param, taken] of Object.entries(TAKES)) {
      for (const [kind, value] of Object.entries(KINDS) as [Kind, string][]) {
        const rest = Object.entries(ASK).filter(([name]) => name !== param);
        const fields = rest.map(([name, field]) => `"${name}":${JSON.stringify(field)},`);
        const body = `{${fields.join('')}"${param}":${value}}`;
        if (taken.includes(kind)) {
          const { status } = await send(server.url, { path: CHAT, body });
          expect([param, kind, status]).toEqual([param, kind, 200]);
        } else if (param === 'model' && kind === 'text') {
          expect(await refused(server, { path: CHAT, body })).toMatchObject({ status: 404, param });
        } else {
          const refusal = await refused(server, { path: CHAT, body });
          expect([param, kind, refusal]).toMatchObject([param, kind, { status: 400, param }]);
        }
      }
    }
    const takenKinds = Object.values(TAKES).flat().length;
    expect(server.answers.sessions.length - sessions).toBe(takenKinds);
  }));

test('[G15] __proto__ and constructor are keys like any other, at every level', () =>
  underAttack(async (server) => {
    server.answers.onStart = (session) => session.end();
    const evil = `"__proto__":{"stream":true,"best_of":2,"polluted":1},"constructor":{"prototype":{"polluted":1}}`;
    const bodies = [
      `{${evil},"model":"bytes","messages":[{"role":"user","content":"hi",${evil}}]}`,
      `{"model":"bytes","messages":[{"role":"user","content":[{"type":"text","text":"hi",${evil}}]}],
        "stream_options":{${evil}},"declai":{${evil}},"metadata":{${evil}}}`,
    ];
    for (const body of bodies) {
      const { status, headers } = await send(server.url, { path: CHAT, body });
      // `stream: true` and `best_of: 2` of the prototype were not taken for the request's own.
      expect([status, headers['content-type']]).toEqual([200, 'application/json']);
      expect(Buffer.from(server.answers.last.request.promptIds).toString()).toBe('user: hi\n');
    }
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const model = await refused(server, { path: CHAT, body: { ...ASK, model: name } });
      expect(model).toEqual({ status: 404, code: 'model_not_found', param: 'model' });
      expect(await refused(server, { path: `/v1/models/${name}` })).toMatchObject({ status: 404 });
      expect(await refused(server, { path: `/api/answers/${name}` })).toMatchObject({
        status: 404,
      });
      const messages = [{ role: name, content: 'hi' }];
      expect(await refused(server, { path: CHAT, body: { ...ASK, messages } })).toMatchObject({
        status: 400,
        param: 'messages',
      });
    }
    const bias = `{"model":"bytes","messages":[{"role":"user","content":"hi"}],"logit_bias":{"__proto__":1}}`;
    expect(await refused(server, { path: CHAT, body: bias })).toMatchObject({
      param: 'logit_bias',
    });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  }));

test('[G17] a prompt longer than the context is refused by name, in text, ids and conversation', () =>
  underAttack(async (server) => {
    const long = 'x'.repeat(900_000);
    const ids = new Array<number>(400_000).fill(1);
    const bodies: [string, object, string][] = [
      [TEXT, { prompt: long }, 'prompt'],
      [TEXT, { prompt: ids }, 'prompt'],
      [CHAT, { messages: [{ role: 'user', content: long }] }, 'messages'],
    ];
    for (const [path, body, param] of bodies) {
      expect(await refused(server, { path, body: { model: 'bytes', ...body } })).toEqual({
        status: 400,
        code: 'context_length_exceeded',
        param,
      });
    }
  }));

test('[G15] lists without items, and with a megabyte of wrong ones, cost no more than a look', () =>
  underAttack(async (server) => {
    for (const [path, body, param] of [
      [CHAT, { messages: [] }, 'messages'],
      [CHAT, { messages: [{ role: 'user', content: [] }] }, 'messages'],
      [TEXT, { prompt: [] }, 'prompt'],
      [TEXT, { prompt: [[]] }, 'prompt'],
    ] as const) {
      expect(await refused(server, { path, body: { model: 'bytes', ...body } })).toMatchObject({
        status: 400,
        param,
      });
    }
    for (const item of ['-1', '"a"', '[]', '{}', 'null', '[1]', '{"role":"user"}']) {
      const count = Math.floor(1_000_000 / (item.length + 1));
      const list = `[${new Array<string>(count).fill(item).join()}]`;
      const places: [string, string, string][] = [
        [TEXT, 'prompt', list],
        [CHAT, 'messages', list],
        [CHAT, 'messages', `[{"role":"user","content":${list}}]`],
        [CHAT, 'stop', list],
        [CHAT, 'tools', list],
        [CHAT, 'declai', `{"resume":{"prompt_ids":${list},"accepted_ids":[],"seed":1}}`],
      ];
      for (const [path, name, value] of places) {
        const rest = name === 'messages' ? '' : ',"messages":[{"role":"user","content":"hi"}]';
        const body = Buffer.from(`{"model":"bytes","${name}":${value}${rest}}`);
        const before = process.cpuUsage();
        const refusal = await refused(server, { path, body });
        const { user, system } = process.cpuUsage(before);
        expect([item, name, refusal]).toMatchObject([item, name, { status: 400 }]);
        expect(refusal.param).toContain(name);
        // A second of zod's issues is what nodes would feel; reading the JSON takes a tenth.
        expect([item, name, (user + system) / 1000 < 500]).toEqual([item, name, true]);
      }
    }
  }));

test('[G15] what is not UTF-8, or not JSON, is a 400', () =>
  underAttack(async (server) => {
    const text = (inner: string) => `{"model":"bytes","prompt":"${inner}"}`;
    const notUtf8 = [
      Buffer.from(text('\u00fc'), 'latin1'),
      Buffer.from(text('hi'), 'utf16le'),
      Buffer.concat([
        Buffer.from(text('hi')).subarray(0, -2),
        Buffer.from([0xc0, 0xaf, 0x22, 0x7d]),
      ]),
      Buffer.concat([Buffer.from(text('hi')).subarray(0, -2), Buffer.from([0xf0, 0x9f])]),
      Buffer.from([0x1f, 0x8b, 0x08, 0x00]),
    ];
    const notJson = ['', ' ', '\0', '{', '{}{}', "{'a':1}", '{"a":1,}', '{"a":NaN}', '// x', 'a=b'];
    const notObject = ['null', '[]', '"x"', '5', 'true'];
    for (const body of [...notUtf8, ...notJson, ...notObject]) {
      for (const path of [TEXT, CHAT]) {
        const refusal = await refused(server, { path, body });
        expect([body, refusal]).toMatchObject([body, { status: 400, code: 'invalid_value' }]);
      }
    }
    // Half a surrogate pair is JSON; it becomes a replacement character, as everywhere.
    server.answers.onStart = (session) => session.end();
    expect((await send(server.url, { path: TEXT, body: text('\\ud800') })).status).toBe(200);
  }));

test('[G28] a body that says it is not JSON, or is packed, is a 415', () =>
  underAttack(async (server) => {
    server.answers.onStart = (session) => session.end();
    const body = JSON.stringify({ model: 'bytes', prompt: 'hi' });
    const types = [
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      'json',
      '',
    ];
    for (const type of [...types, 'application/x-www-form-urlencoded']) {
      const headers = { 'content-type': type };
      expect(await refused(server, { path: TEXT, body, headers })).toEqual({
        status: 415,
        code: 'unsupported_media_type',
        param: null,
      });
    }
    for (const coding of ['gzip', 'br', 'gzip, identity']) {
      const headers = { 'content-encoding': coding };
      expect(await refused(server, { path: TEXT, body, headers })).toMatchObject({ status: 415 });
    }
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'Application/JSON',
    ]) {
      const headers = { 'content-type': type };
      expect((await send(server.url, { path: TEXT, body, headers })).status).toBe(200);
    }
    expect((await send(server.url, { path: TEXT, body })).status).toBe(200);
  }));
