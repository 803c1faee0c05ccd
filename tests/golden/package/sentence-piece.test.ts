import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, cp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { openSource } from '#lib/shard/package/import/open-source.ts';
import { literalTexts } from '#lib/shard/package/literal-text.ts';
import type { Tokenizer } from '#lib/shard/package/tokenizer.ts';
import type { GgufField } from '#tests/unit/package/gguf-builder.ts';
import { folderToGguf } from './folder-to-gguf.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { tokenizerOf } from './tokenizer-of.ts';

/** A vocabulary of 512 that SentencePiece 0.2 trained (BPE, byte fallback), and what it gives. */
const numbers = z.array(z.number());
const golden = z
  .object({
    tokens: z.array(z.string()),
    scores: numbers,
    types: numbers,
    rows: z.array(z.object({ text: z.string(), ids: numbers, decoded: z.string() })),
  })
  .parse(JSON.parse(readFileSync(goldenPath('sentencepiece.json'), 'utf8')));

const [U32, F32, BOOL, STRING, ARRAY] = [4, 6, 7, 8, 9];
const { tokens, scores, types } = golden;
type Changes = Partial<Pick<typeof golden, 'tokens' | 'scores' | 'types'>>;
const fields = (changes: Changes = {}): GgufField[] => [
  ['tokenizer.ggml.model', STRING, 'llama'],
  ['tokenizer.ggml.tokens', ARRAY, { of: STRING, items: changes.tokens ?? tokens }],
  ['tokenizer.ggml.scores', ARRAY, { of: F32, items: changes.scores ?? scores }],
  ['tokenizer.ggml.token_type', ARRAY, { of: U32, items: changes.types ?? types }],
];

let root = '';
let tokenizer: Tokenizer;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-pieces-'));
  tokenizer = await open(fields());
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function sourceOf(own: readonly GgufField[]) {
  const path = join(root, 'model.gguf');
  await writeFile(path, folderToGguf('llama-mha', { fields: own }));
  const source = await openSource(path);
  await source.close();
  return source;
}
async function open(own: readonly GgufField[]): Promise<Tokenizer> {
  await sourceOf(own);
  return tokenizerOf(join(root, 'model.gguf'));
}

describe('SentencePiece BPE of a GGUF file', () => {
  it.each(golden.rows)('[K7] encodes and decodes $text', ({ text, ids, decoded }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    // SentencePiece writes U+2581 where a space is meant, and so loses one that was text.
    expect(tokenizer.decode(ids)).toBe(decoded);
    const stream = tokenizer.stream();
    expect(ids.map((id) => stream.push(id)).join('') + stream.flush()).toBe(decoded);
  });

  it('[K7] gives back any text, and the ids of the plain algorithm', () => {
    const scored = new Map(tokens.map((token, id) => [token, { id, score: scores[id] ?? 0 }]));
    const letters = fc.constantFrom('a', 'e', 's', 't', 'h', ' ', '-', '`', '0', 'é', '日', '😀', '\n');
    const text = fc.string({ unit: letters, minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(text, (value) => {
        const ids = tokenizer.encode(value);
        expect(ids).toEqual(joinSlowly(`▁${value.replaceAll(' ', '▁')}`, scored));
        expect(tokenizer.decode(ids)).toBe(value);
      }),
      { numRuns: 400 },
    );
  });

  it('[K7] knows its own special tokens where the file does not name them', async () => {
    const source = await sourceOf([...fields(), ['tokenizer.ggml.add_space_prefix', BOOL, false]]);
    expect(source.tokenizer).toMatchObject({ bosId: 1, eosIds: [2] });
    expect(tokenizer.encode('<s>Hello</s>')).toEqual([1, ...tokenizer.encode('Hello'), 2]);
    expect(tokenizer.bosText).toBe('<s>');
  });

  it('[K7] reads a special token that a mark breaks as text', () => {
    const { specialTexts, specialIds } = tokenizer;
    const content = 'Hello</s><s> you <unk>';
    const { texts, mark } = literalTexts([content, 'a b'], { specialTexts, template: '' });
    expect(texts[1]).toBe('a b');
    const ids = tokenizer.encode(`<s>${texts[0] ?? ''}`, { mark });
    expect(ids.filter((id) => specialIds.has(id))).toEqual([1]);
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe(content);
    expect(tokenizer.encode('Hello</s>')).toEqual([...tokenizer.encode('Hello'), 2]);
  });

  it('[K7] puts and takes no space where the file says so', async () => {
    const plain = await open([...fields(), ['tokenizer.ggml.add_space_prefix', BOOL, false]]);
    for (const text of ['Hello', ' Hello', '  x']) {
      expect(plain.decode(plain.encode(text))).toBe(text);
      expect(tokenizer.encode(text)).toEqual(plain.encode(` ${text}`));
    }
  });

  it('[K7] takes a hostile text without holding its process', () => {
    const started = performance.now();
    const long = 'a b'.repeat(100_000);
    expect(tokenizer.decode(tokenizer.encode(long))).toBe(long);
    expect(performance.now() - started).toBeLessThan(6_000);
  });

  const swapped = (id: number, token: string) => tokens.map((text, i) => (i === id ? token : text));
  it.each([
    ['a token twice', { tokens: swapped(400, tokens[401] ?? '') }, 'twice'],
    ['a byte missing', { tokens: swapped(13, 'no byte') }, '<0x0A>'],
    ['no score for one', { scores: scores.slice(1) }, 'scores'],
    ['a score that is no number', { scores: [...scores.slice(1), NaN] }, 'scores'],
    ['no type for one', { types: types.slice(1) }, 'type'],
    ['a token missing', { tokens: tokens.slice(1), scores: scores.slice(1), types: types.slice(1) }, 'embedding'],
  ])('[K3] refuses %s', async (_what, changes, words) => {
    const refused = sourceOf(fields(changes));
    await expect(refused).rejects.toMatchObject({ code: 'package/malformed' });
    await expect(refused).rejects.toThrow(words);
  });

  it('[K3] refuses a piece that could be made in a million ways', async () => {
    const changes = { tokens: swapped(400, 'x'.repeat(257)) };
    await expect(sourceOf(fields(changes))).rejects.toMatchObject({ code: 'package/too-large' });
  });
});

describe('SentencePiece BPE of a Hugging Face folder', () => {
  it('[K7] is read with byte fallback, its merges in their order', async () => {
    const folder = join(root, 'folder');
    await cp(goldenPath('tiny/llama-mha'), folder, { recursive: true });
    const source = await sourceOf(fields());
    const { tokenizer: json } = JSON.parse(new TextDecoder().decode(source.tokenizer.bytes)) as { tokenizer: object };
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(json));
    const whole = await tokenizerOf(folder);
    for (const { text, decoded } of golden.rows) {
      expect(whole.decode(whole.encode(text))).toBe(decoded);
    }
    const config = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;
    const split = { ...config, pre_tokenizer: { type: 'Metaspace', replacement: '▁' } };
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(split));
    await expect(openSource(folder)).rejects.toThrow('Metaspace that splits');
    const other = { ...config, decoder: { type: 'WordPiece' } };
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(other));
    await expect(openSource(folder)).rejects.toThrow('tokenizer decoder WordPiece');
  });
});

type Scored = ReadonlyMap<string, { readonly id: number; readonly score: number }>;

/** The definition, slowly: join the best scoring neighbours, the leftmost first, until none is. */
function joinSlowly(text: string, scored: Scored): number[] {
  let pieces = Array.from(text);
  for (;;) {
    let best = { at: -1, score: -Infinity };
    for (let at = 0; at + 1 < pieces.length; at += 1) {
      const joined = scored.get(`${pieces[at] ?? ''}${pieces[at + 1] ?? ''}`);
      if (joined && joined.score > best.score) best = { at, score: joined.score };
    }
    const { at } = best;
    if (at < 0) break;
    pieces = [...pieces.slice(0, at), pieces.slice(at, at + 2).join(''), ...pieces.slice(at + 2)];
  }
  return pieces.flatMap((piece) => {
    const known = scored.get(piece);
    if (known) return [known.id];
    return [...new TextEncoder().encode(piece)].map((byte) => byte + 3);
  });
}
