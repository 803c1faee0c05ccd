import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';

const { tokenizer } = await openPackageFolder('public/models/smollm2-135m-instruct');

/** Well-formed text of any script; SmolLM2 lacks single tokens for a few bytes of rare planes. */
const text = fc.string({ unit: 'grapheme' });

describe('tokenizer', () => {
  it('[K7] gives text back from its ids where the vocabulary has its bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (value) => {
        expect(tokenizer.decode(tokenizer.encode(value))).toBe(value);
      }),
      { numRuns: 500 },
    );
  });

  it('[K7] streams exactly what it decodes, for any ids', () => {
    const ids = fc.array(fc.nat(tokenizer.vocab - 1), { maxLength: 40 });
    fc.assert(
      fc.property(ids, fc.boolean(), (values, skipSpecial) => {
        const stream = tokenizer.stream({ skipSpecial });
        const pieces = values.map((id) => stream.push(id));
        const whole = pieces.join('') + stream.flush();
        expect(whole).toBe(tokenizer.decode(values, { skipSpecial }));
      }),
      { numRuns: 500 },
    );
  });

  it('[K7] never gives out half a character: pieces of real text are real text', () => {
    fc.assert(
      fc.property(text, (value) => {
        const ids = tokenizer.encode(value);
        fc.pre(tokenizer.decode(ids) === value);
        const stream = tokenizer.stream();
        for (const id of ids) expect(stream.push(id).isWellFormed()).toBe(true);
        expect(stream.flush()).toBe('');
      }),
      { numRuns: 500 },
    );
  });

  it('[K7] starts afresh after a flush', () => {
    const [first = 0] = tokenizer.encode('é'.repeat(3));
    const stream = tokenizer.stream();
    const once = stream.push(first) + stream.flush();
    expect(stream.push(first) + stream.flush()).toBe(once);
  });

  it('[K7] ignores ids beyond the vocabulary', () => {
    expect(tokenizer.decode([-1, 2 ** 31, 0.5, Number.NaN])).toBe('');
  });

  it('[K7] takes a hostile prompt of 400 000 spaces without holding its process', () => {
    const started = performance.now();
    const ids = tokenizer.encode(' '.repeat(400_000));
    expect(performance.now() - started).toBeLessThan(6_000);
    expect(tokenizer.decode(ids)).toBe(' '.repeat(400_000));
  });
});
