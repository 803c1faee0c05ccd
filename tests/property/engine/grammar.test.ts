import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import { GrammarState, compileGrammar, maskWords } from '#lib/webgpu/grammar/grammar.ts';
import { GRAMMAR } from '#lib/webgpu/grammar/limits.ts';
import { smollm2Tokens } from '#tests/support/grammar-tokens.ts';
import { SCHEMAS, documentsOf, schemas, type JsonSchema } from '#tests/support/json-schemas.ts';

const { tokenizer, tokens } = await smollm2Tokens();
const eosId = tokens.eosIds[0]!;
const ajv = new Ajv({ strict: false });

/** 40 schemas: those with names, and some of all that are supported. */
const written = Object.entries(SCHEMAS);
const drawn = fc
  .sample(schemas, { numRuns: 40 - written.length, seed: 7 })
  .map((schema, i): [string, JsonSchema] => [`drawn ${i}`, schema]);
const all = [...written, ...drawn];

/** Past it a walk takes what closes, and so comes to an end. */
const FREE_TOKENS = 40;
const TOKENS_MAX = 1500;
const closers = ['"', '}', ']'].map((text) => tokenizer.encode(text)[0]!);

const has = (mask: Uint32Array, id: number): boolean => ((mask[id >>> 5]! >>> (id & 31)) & 1) === 1;
/** An allowed id, the first from a drawn one on. */
function draw(mask: Uint32Array, random: Random): number {
  let id = random.below(tokens.vocab);
  while (!has(mask, id)) id = (id + 1) % tokens.vocab;
  return id;
}

function maskOf(state: GrammarState): Uint32Array {
  const mask = new Uint32Array(maskWords(tokens.vocab));
  state.allowed(mask);
  return mask;
}

const textOf = (ids: readonly number[]): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
    concatBytes(ids.map((id) => tokenizer.bytesOf(id))),
  );

/** The answer of a walk over allowed tokens that ended, and what it looked like on the way. */
function walk(schema: unknown, seed: number) {
  const random = seededRandom(seed);
  const state = new GrammarState(compileGrammar(schema, tokens));
  const ids: number[] = [];
  while (ids.length < TOKENS_MAX) {
    const mask = maskOf(state);
    expect(has(mask, eosId)).toBe(state.canEnd);
    const isFree = ids.length < FREE_TOKENS && random.below(3) > 0;
    const closer = [eosId, ...closers].find((id) => has(mask, id));
    const id = (isFree ? undefined : closer) ?? draw(mask, random);
    expect(state.accept(id)).toBe(true);
    if (id === eosId) return { ids, hasEnded: true };
    ids.push(id);
  }
  return { ids, hasEnded: false };
}

/** Three ways that models write JSON. */
const STYLES: readonly ((value: unknown) => string)[] = [
  (value) => JSON.stringify(value),
  (value) => JSON.stringify(value, null, 2),
  (value) => JSON.stringify(value, null, 1).replace(/\n */g, ' '),
];

describe('[F1] constrained answers', () => {
  it.each([...all, ['json', 'json'] as const])('parse and validate: %s', (_name, schema) => {
    const validate = ajv.compile(schema === 'json' ? { type: 'object' } : schema);
    for (let seed = 1; seed <= 3; seed += 1) {
      const { ids, hasEnded } = walk(schema, seed);
      expect(hasEnded).toBe(true);
      const text = textOf(ids);
      expect(validate(JSON.parse(text)) || text).toBe(true);
    }
  });
});

describe('[F2] documents that fit', () => {
  it.each(all)('are accepted as the tokenizer cuts them: %s', (_name, schema) => {
    const grammar = compileGrammar(schema, tokens);
    const document = fc.tuple(documentsOf(schema), fc.constantFrom(...STYLES));
    fc.assert(
      fc.property(document, ([value, style]) => {
        const text = style(value);
        const ids = tokenizer.encode(text);
        // Left out: what the vocabulary cannot spell, and numbers past the bounds of ours.
        fc.pre(tokenizer.decode(ids) === text && !/e\+30[89]/.test(text));
        const state = new GrammarState(grammar);
        const refused = ids.findIndex((id) => !state.accept(id));
        expect(refused < 0 || tokenizer.decode(ids.slice(0, refused + 1))).toBe(true);
        expect(state.canEnd).toBe(true);
        expect(state.accept(eosId)).toBe(true);
      }),
      { numRuns: 25, seed: 1 },
    );
  });
});

describe('[F3] masks', () => {
  it.each(written)('are what trying every token finds: %s', (_name, schema) => {
    const { ids } = walk(schema, 3);
    for (const length of [0, 1, 2, 3, 5, 8, 13, 21, 34].filter((each) => each <= ids.length)) {
      const grammar = compileGrammar(schema, tokens);
      const at = ids
        .slice(0, length)
        .reduce((state, id) => grammar.after(state, id)!, grammar.automaton.start);
      const tried = new Uint32Array(maskWords(tokens.vocab));
      for (let id = 0; id < tokens.vocab; id += 1) {
        const fits = id === eosId ? grammar.automaton.canEnd(at) : grammar.after(at, id) !== null;
        if (fits) tried[id >>> 5]! |= 1 << (id & 31);
      }
      const mask = maskOf(new GrammarState(compileGrammar(schema, tokens), ids.slice(0, length)));
      expect(Buffer.from(mask.buffer).equals(Buffer.from(tried.buffer))).toBe(true);
    }
  });

  it('depend on the ids said, not on what was kept', () => {
    for (const schema of [SCHEMAS['person'], SCHEMAS['bounded'], SCHEMAS['tree']]) {
      const { ids } = walk(schema, 4);
      const kept = new GrammarState(compileGrammar(schema, tokens));
      const limits = { ...GRAMMAR, statesMax: 4, masksMax: 1 };
      const forgetful = new GrammarState(compileGrammar(schema, tokens, limits));
      for (const id of ids.slice(0, 60)) {
        expect(maskOf(forgetful)).toEqual(maskOf(kept));
        expect([kept.accept(id), forgetful.accept(id)]).toEqual([true, true]);
      }
    }
  });

  it('never let a special token come, nor an end in the middle', () => {
    const state = new GrammarState(compileGrammar('json', tokens));
    for (const id of tokenizer.encode('{"a": "')) expect(state.accept(id)).toBe(true);
    const start = tokenizer.encode('<|im_start|>');
    expect(start).toHaveLength(1);
    expect(has(maskOf(state), start[0]!)).toBe(false);
    expect(state.accept(start[0]!)).toBe(false);
    expect(state.accept(eosId)).toBe(false);
    expect(state.canEnd).toBe(false);
    expect(() => new GrammarState(compileGrammar('json', tokens), [eosId])).toThrow(
      'does not fit its grammar',
    );
  });
});
