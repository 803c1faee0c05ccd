import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { guess, noteId, openBook } from '#lib/shard/stage/core/draft-book.ts';

const guessed = (ids: readonly number[], most: number) => guess(openBook(ids), most);

/** By trying every place, the latest first. */
function bySearch(ids: readonly number[], most: number) {
  let best = { context: 1, place: 0 };
  for (let place = ids.length - 1; place >= 2; place -= 1) {
    let context = 0;
    while (context < place && ids[place - 1 - context] === ids[ids.length - 1 - context])
      context += 1;
    if (context > best.context) best = { context, place };
  }
  if (best.place === 0) return null;
  const all = [...ids];
  for (let i = 0; i < most; i += 1) all.push(all[best.place + i] ?? -1);
  return { ids: all.slice(ids.length), context: best.context };
}

describe('[S8] what may come next', () => {
  test('is what came after the same words, the longest before the latest', () => {
    expect(guessed([1, 2, 3, 4, 5, 9, 2, 3, 7, 1, 2, 3], 2)).toEqual({ ids: [4, 5], context: 3 });
    expect(guessed([1, 2, 3, 8, 1, 2, 4, 8, 1, 2], 1)).toEqual({ ids: [4], context: 3 });
    expect(guessed([5, 1, 2, 3, 6, 1, 2, 4, 7, 1, 2], 1)).toEqual({ ids: [4], context: 2 });
  });

  test('runs on into itself where words repeat', () => {
    expect(guessed([4, 5, 4, 5], 5)).toEqual({ ids: [4, 5, 4, 5, 4], context: 2 });
  });

  test('is nothing where the last two ids are new together, or none may be guessed', () => {
    expect(guessed([], 4)).toBeNull();
    expect(guessed([1], 4)).toBeNull();
    expect(guessed([1, 2, 2, 1], 4)).toBeNull();
    expect(guessed([1, 2, 1, 2], 0)).toBeNull();
  });

  test('ids as large as a wire lets through are not mistaken for one another', () => {
    const large = 1 << 20;
    expect(guessed([0, large, 5, 1, 0], 1)).toBeNull();
    expect(guessed([large, large, 5, large, large], 1)).toEqual({ ids: [5], context: 2 });
  });

  test('equals a search of all that was said, id by id', () => {
    const word = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), fc.array(word, { maxLength: 12 }), (a, b) => {
        const book = openBook(a);
        for (const id of b) noteId(book, id);
        const ids = [...a, ...b];
        const found = guess(book, 4);
        const expected = bySearch(ids, 4);
        expect(found?.context).toBe(expected?.context);
        expect(found?.ids).toEqual(expected?.ids);
      }),
      { numRuns: 2_000 },
    );
  });

  test('takes no longer where the same pair stands a hundred thousand times', () => {
    const book = openBook([]);
    let looks = 0;
    for (let i = 0; i < 100_002; i += 1) noteId(book, i % 7 === 3 ? i : 1);
    const ids = new Proxy(book.ids, {
      get(target, key) {
        looks += 1;
        return Reflect.get(target, key) as unknown;
      },
    });
    expect(guess({ ...book, ids }, 8)?.ids).toHaveLength(8);
    expect(looks).toBeLessThan(1_000);
  });

  test('of a long prompt only the end is kept', () => {
    const ids = [8, 9, 10, ...Array.from({ length: 20_000 }, (_, i) => 100 + i), 8, 9];
    expect(guessed(ids, 1)).toBeNull();
    expect(openBook(ids).ids.length).toBeLessThan(20_000);
  });
});
