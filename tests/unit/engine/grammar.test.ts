import { describe, expect, it } from 'vitest';
import { utf8 } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { GrammarState, compileGrammar, maskWords } from '#lib/webgpu/grammar/grammar.ts';
import { GRAMMAR } from '#lib/webgpu/grammar/limits.ts';
import { createTokenTable } from '#lib/webgpu/grammar/tokens.ts';

/** One token a byte, and the end. */
const EOS = 256;
const source = {
  vocab: 257,
  eosIds: new Set([EOS]),
  specialIds: new Set<number>(),
  bytesOf: (id: number) => (id < EOS ? Uint8Array.of(id) : new Uint8Array(0)),
};
const tokens = createTokenTable(source);

/** How much of a text fits, in bytes; with a ✓ where it may end there. */
function fitting(schema: unknown, text: string | Uint8Array): string {
  const state = new GrammarState(compileGrammar(schema, tokens));
  const bytes = typeof text === 'string' ? utf8(text) : text;
  const refused = bytes.findIndex((byte) => !state.accept(byte));
  return `${refused < 0 ? bytes.length : refused}${state.canEnd ? ' ✓' : ''}`;
}

const whole = (text: string): string => `${utf8(text).length} ✓`;
const string = { type: 'string' };
const number = { type: 'number' };
const integer = { type: 'integer' };
const quoted = (...bytes: number[]) => Uint8Array.of(0x22, ...bytes, 0x22);

describe('[F5] what is kept of a grammar', () => {
  it('is dropped and goes on from where an answer stands: a long one costs no more a token', () => {
    const schema = { type: 'array', items: { type: 'string', maxLength: 1_000_000 }, maxItems: 2 };
    const limits = { ...GRAMMAR, statesMax: 64 };
    const grammar = compileGrammar(schema, tokens, limits);
    const [state, other] = [new GrammarState(grammar), new GrammarState(grammar)];
    for (const byte of utf8('["')) expect(state.accept(byte) && other.accept(byte)).toBe(true);
    const startedAt = performance.now();
    for (let i = 0; i < 50_000; i += 1) expect(state.accept(0x61)).toBe(true);
    // Found again from its beginning each time it would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    for (const byte of utf8('"]')) expect(state.accept(byte) && other.accept(byte)).toBe(true);
    expect([state.canEnd, other.canEnd]).toEqual([true, true]);
  });
});

describe('[F1] what JSON is', () => {
  it.each(['{}', '{"a":{"a":[1,"b",null]},"a":2}', '{ "a": [ ] }', '{\n  "a": true\n}'])(
    'any object: %j',
    (text) => expect(fitting('json', text)).toBe(whole(text)),
  );
  it.each([
    ['[]', '0'],
    ['"a"', '0'],
    [' {}', '0'],
    ['{}\n', '2 ✓'],
    ['{  ', '2'],
    ['{\n\n', '2'],
    [`{\n${' '.repeat(17)}`, '18'],
    ['{,', '1'],
    ['{"a":1,}', '7'],
    ["{'", '1'],
    ['{"a":tru ', '8'],
  ])('and not %j', (text, upTo) => expect(fitting('json', text)).toBe(upTo));

  it.each([
    '""',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\\u00e9\\uD83E\\udd8A\\ud7ff\\ue000"',
    '"é日🦊\x7f"',
  ])('a string: %j', (text) => {
    JSON.parse(text);
    expect(fitting(string, text)).toBe(whole(text));
  });
  it.each([
    ['a bare control', '"\n', '1'],
    ['an unknown escape', '"\\x', '2'],
    ['a low surrogate alone', '"\\udc00', '4'],
    ['a high surrogate alone', '"\\ud83e"', '7'],
    ['two high surrogates', '"\\ud83e\\ud83e', '10'],
    ['too long a form', quoted(0xc0, 0x80), '1'],
    ['a surrogate as bytes', quoted(0xed, 0xa0, 0x80), '2'],
    ['past the last code point', quoted(0xf4, 0x90, 0x80, 0x80), '2'],
    ['a character cut short', quoted(0xe6, 0x97), '3'],
  ])('no string: %s', (_what, text, upTo) => expect(fitting(string, text)).toBe(upTo));

  it.each([
    '0',
    '-0.5',
    '123456789012345680000',
    '1e-7',
    '5e-324',
    '9.99e+307',
    '0.30000000000000004',
  ])('a number: %s', (text) => expect(fitting(number, text)).toBe(whole(text)));
  it.each([
    ['01', '1 ✓'],
    ['1.', '2'],
    ['.5', '0'],
    ['+1', '0'],
    ['1e308', '4 ✓'],
    ['1e400', '4 ✓'],
    ['12e3', '2 ✓'],
    ['1234567890123456789012', '21 ✓'],
  ])('no number past: %s', (text, upTo) => expect(fitting(number, text)).toBe(upTo));
  it.each([
    ['-12', '3 ✓'],
    ['1.0', '1 ✓'],
    ['9007199254740993', '15 ✓'],
  ])('an integer that every reader keeps: %s', (text, upTo) =>
    expect(fitting(integer, text)).toBe(upTo),
  );

  it('counts code points, an escaped pair as one', () => {
    const schema = { type: 'string', minLength: 2, maxLength: 2 };
    expect(fitting(schema, '"🦊\\ud83e\\udd8a"')).toBe('18 ✓');
    expect(fitting(schema, '"🦊"')).toBe('5');
    expect(fitting(schema, '"🦊🦊a')).toBe('9');
  });
});

const object = (properties: object, required = Object.keys(properties)) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

const anyOf = (list: readonly unknown[]) => ({ anyOf: list });

describe('[F4] what is refused, by name and before anything runs', () => {
  const unsupported: readonly (readonly [string, unknown])[] = [
    ['"pattern"', { type: 'string', pattern: '^(a|b|ab)*(c{1,5000}){1,50}$' }],
    ['"format"', object({ when: { type: 'string', format: 'date' } })],
    ['"minimum"', { type: 'integer', minimum: 3 }],
    ['"minLength"', { type: 'integer', minLength: 3 }],
    ['"oneOf"', { oneOf: [string] }],
    ['"type"', { type: 'object', anyOf: [object({})] }],
    ['"additionalProperties"', { type: 'object', properties: {}, additionalProperties: true }],
    ['"additionalProperties"', { type: 'object', additionalProperties: string }],
    ['out of the schema', { $ref: 'https://example.org/schema' }],
    ['object or array', { enum: [{}] }],
    ['levels', { $ref: '#' }],
    ['levels', object({ again: { $ref: '#' } })],
    ['levels', { $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' }],
    ['nested deeper', nested(5_000)],
    ['enum members', { enum: Array.from({ length: 5_000 }, (_, i) => `member ${i}`) }],
    ['characters', { const: 'x'.repeat(1_000_000) }],
    ['properties', object(megabyte())],
    ['schemas', object(choices(100, 60))],
    ['alternatives', anyOf(Array.from({ length: 20_000 }, () => string))],
    ['alternatives', anyOf(Object.values(choices(2, 40)))],
  ];
  const invalid: readonly (readonly [string, unknown])[] = [
    ['no schema', null],
    ['no schema', 'text'],
    ['no schema', { type: 'array', items: [] }],
    ['none of JSON Schema', { type: 'text' }],
    ['points at nothing', { $ref: '#/$defs/__proto__' }],
    ['points at nothing', { $ref: '#/%' }],
    ['"anyOf" is no list', { anyOf: [] }],
    ['"enum" is no list', { enum: [] }],
    ['no value', { type: 'string', enum: [1] }],
    ['no count', { type: 'string', minLength: -1 }],
    ['above', { type: 'array', minItems: 2, maxItems: 1 }],
    ['is required', { ...object({}), required: ['toString'] }],
  ];
  it.each([
    ...unsupported.map((row) => ['request/unsupported' as const, ...row] as const),
    ...invalid.map((row) => ['request/invalid' as const, ...row] as const),
  ])('%s: %s', (code, words, schema) => {
    const times = [0, 1, 2, 3, 4].map(() => {
      const startedAt = performance.now();
      expect(() => compileGrammar(schema, tokens)).toThrow(words);
      return performance.now() - startedAt;
    });
    expect(Math.min(...times)).toBeLessThan(50);
    try {
      compileGrammar(schema, tokens);
    } catch (error) {
      expect(isFault(error, code) && error.details).toEqual({ param: 'response_format' });
      expect((error as Error).message.length).toBeLessThan(400);
    }
  });

  it('a vocabulary that cannot spell', () => {
    const bytesOf = (id: number) => (id === 0x41 ? new Uint8Array(0) : source.bytesOf(id));
    expect(() => createTokenTable({ ...source, bytesOf })).toThrow('cannot spell byte 65');
  });
});

describe('[F5] what is large or ambiguous, and accepted', () => {
  it('twins double at every level, their readings do not', () => {
    const a = {
      anyOf: [object({ k: { $ref: '#/$defs/a' } }), object({ k: { $ref: '#/$defs/b' } })],
    };
    const b = { anyOf: [{ $ref: '#/$defs/a' }, { type: 'null' }] };
    const state = new GrammarState(compileGrammar({ $defs: { a, b }, $ref: '#/$defs/b' }, tokens));
    const startedAt = performance.now();
    const text = `${'{"k":'.repeat(32)}null${'}'.repeat(32)}`;
    for (const byte of utf8(text)) expect(state.accept(byte)).toBe(true);
    expect(state.canEnd).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('recursion ends at 32 levels', () => {
    const list = { type: 'array', items: { $ref: '#' } };
    expect(fitting(list, '['.repeat(40))).toBe('32');
    expect(fitting('json', `{"a":${'['.repeat(40)}`)).toBe('36');
    const mustHold = { ...list, minItems: 1, items: { anyOf: [{ $ref: '#' }, { type: 'null' }] } };
    expect(fitting(mustHold, `${'['.repeat(32)}null`)).toBe('36');
  });

  it('keys keep their order, those not required may be left out', () => {
    const schema = object({ a: number, ab: number, b: number, __proto__x: number }, ['b']);
    expect(fitting(schema, '{"ab":1,"b":2}')).toBe(whole('{"ab":1,"b":2}'));
    expect(fitting(schema, '{"a":1,"ab":1,"b":1,"__proto__x":1}')).toMatch('✓');
    expect(fitting(schema, '{"ab":1,"a"')).toBe('9');
    expect(fitting(schema, '{"a":1}')).toBe('6');
    expect(fitting(schema, '{"b":1,"b')).toBe('8');
  });

  it('a mask holds what accept takes', () => {
    const state = new GrammarState(compileGrammar({ enum: ['é', 1] }, tokens));
    const mask = new Uint32Array(maskWords(tokens.vocab));
    const allowed = () => {
      state.allowed(mask);
      const bits = Array.from({ length: tokens.vocab }, (_, id) => id);
      return bits.filter((id) => ((mask[id >>> 5] ?? 0) >>> (id & 31)) & 1);
    };
    expect(allowed()).toEqual([0x22, 0x31]);
    for (const byte of utf8('"é"')) expect(state.accept(byte)).toBe(true);
    expect(allowed()).toEqual([EOS]);
    expect(state.accept(EOS)).toBe(true);
    expect(state.accept(EOS)).toBe(false);
  });
});

/** So many properties, each an anyOf. */
function choices(properties: number, alternatives: number): object {
  const choice = () => anyOf(Array.from({ length: alternatives }, () => ({ ...string })));
  return Object.fromEntries(Array.from({ length: properties }, (_, i) => [`p${i}`, choice()]));
}

/** Arrays inside each other. */
function nested(levels: number): unknown {
  let schema: unknown = string;
  for (let level = 0; level < levels; level += 1) schema = { type: 'array', items: schema };
  return schema;
}

/** Properties of about 1 MB. */
function megabyte(): object {
  const value = { type: 'string', enum: Array.from({ length: 10 }, (_, i) => `value ${i}`) };
  return Object.fromEntries(Array.from({ length: 8_000 }, (_, i) => [`p${i}`, { ...value }]));
}
