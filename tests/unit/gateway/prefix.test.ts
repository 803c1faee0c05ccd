import { describe, expect, it } from 'vitest';
import { PrefixScopes } from '#server/gateway/prefix-scopes.ts';
import { BYTE_MODEL, byteModels, bytesOf } from '#tests/support/byte-model.ts';
import { startGateway } from '#tests/support/gateway-server.ts';

const KEY = 'a'.repeat(32);
const text = await byteModels.text(BYTE_MODEL);
const base = { model: BYTE_MODEL, text, promptIds: bytesOf('hello'), headers: {}, choices: 1 };

describe('[G33] whose computed prompts a request may use', () => {
  it('those of requests with the same unguessable key and the same credentials', () => {
    const scopes = new PrefixScopes(null);
    const saltOf = (key: string | null, authorization?: string) =>
      scopes.scopeOf({ ...base, key, headers: authorization ? { authorization } : {} })?.salt;
    expect(saltOf(KEY)).toMatch(/^[0-9a-f]{64}$/);
    expect(saltOf(KEY)).toBe(saltOf(KEY));
    const all = [saltOf(KEY), saltOf('b'.repeat(32)), saltOf(KEY, 'Bearer x')];
    expect(new Set(all).size).toBe(3);
    expect(new PrefixScopes(null).scopeOf({ ...base, key: KEY })?.salt).not.toBe(saltOf(KEY));
  });

  it('nobody’s without a key, or with one that could be guessed', () => {
    const scopes = new PrefixScopes(null);
    expect(scopes.scopeOf({ ...base, key: null })).toBeNull();
    expect(scopes.scopeOf({ ...base, key: 'support-bot' })).toBeNull();
  });

  it('[G32] those of one request with several choices, which nobody else can name', () => {
    const scopes = new PrefixScopes(null);
    const saltOf = (key: string | null) => scopes.scopeOf({ ...base, key, choices: 2 })?.salt;
    expect(saltOf(null)).toMatch(/^[0-9a-f]{64}$/);
    expect(saltOf(null)).not.toBe(saltOf(null));
    expect(saltOf('support-bot')).not.toBe(saltOf('support-bot'));
    expect(saltOf(KEY)).toBe(scopes.scopeOf({ ...base, key: KEY })?.salt);
  });

  it('everybody’s, of a system prompt that the operator made public', async () => {
    const scopes = new PrefixScopes('You are kind.');
    const read = (system: string, user: string) =>
      text.read({
        kind: 'chat',
        messages: [
          { role: 'system', content: system },
          { role: 'user', content: user },
        ],
      });
    const promptIds = await read('You are kind.', 'hi');
    // The first request has it learn the ids.
    scopes.scopeOf({ ...base, promptIds, key: null });
    await new Promise((resolve) => setTimeout(resolve, 10));
    const open = scopes.scopeOf({ ...base, promptIds, key: null });
    expect(open).toEqual({
      salt: null,
      public: {
        ids: bytesOf('system: You are kind.\nuser: ').length,
        salt: expect.any(String) as string,
      },
    });
    const other = scopes.scopeOf({
      ...base,
      promptIds: await read('You are mean.', 'hi'),
      key: KEY,
    });
    expect(other?.public?.ids).toBe(bytesOf('system: You are ').length);
  });
});

describe('[G33] over the API', () => {
  const ask = (more: object) => ({
    model: 'bytes',
    messages: [{ role: 'user', content: 'hi' }],
    ...more,
  });

  it('the key becomes a scope, and cached tokens are told', async () => {
    await using server = await startGateway();
    server.answers.onStart = (session) => {
      session.route();
      session.emit({ type: 'prefix-hit', positions: 4 });
      session.say('yes');
      session.end();
    };
    const response = await server.post('/v1/chat/completions', ask({ prompt_cache_key: KEY }));
    expect(await response.json()).toMatchObject({
      usage: { completion_tokens: 4, prompt_tokens_details: { cached_tokens: 4 } },
    });
    const { prefix } = server.answers.last.request;
    expect(prefix).toEqual({ salt: expect.any(String) as string, public: null });
    expect(JSON.stringify(prefix)).not.toContain(KEY);
    await (await server.post('/v1/chat/completions', ask({}))).json();
    expect(server.answers.last.request.prefix).toBeUndefined();
  });

  it('[G32] choices of one request have one scope, of their own', async () => {
    await using server = await startGateway();
    server.answers.onStart = (session) => session.end();
    for (let i = 0; i < 2; i += 1) {
      await (await server.post('/v1/chat/completions', ask({ n: 3 }))).json();
    }
    const salts = server.answers.sessions.map(({ request }) => request.prefix?.salt);
    expect(salts).toEqual([0, 0, 0, 3, 3, 3].map((first) => salts[first]));
    expect(new Set(salts).size).toBe(2);
    expect(salts).not.toContain(undefined);
  });

  it('[G15] a wrong key is refused by its name', async () => {
    await using server = await startGateway();
    for (const key of [7, 'x'.repeat(513)]) {
      const response = await server.post('/v1/chat/completions', ask({ prompt_cache_key: key }));
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { param: 'prompt_cache_key' } });
    }
  });
});
