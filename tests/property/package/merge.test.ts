import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeWord, readMerges, type Merges } from '#lib/shard/package/merge.ts';
import { MinHeap } from '#lib/shard/package/min-heap.ts';

/** The definition: look at all neighbours, join the leftmost of lowest rank, begin again. */
function dumbMerge(pairs: readonly (readonly [string, string])[], word: string): string[] {
  const tokens = Array.from(word);
  for (;;) {
    const ranks = tokens.slice(1).map((right, at) => {
      const rank = pairs.findIndex(([l, r]) => l === tokens[at] && r === right);
      return rank < 0 ? Infinity : rank;
    });
    const best = Math.min(...ranks);
    if (best === Infinity) return tokens;
    const at = ranks.indexOf(best);
    tokens.splice(at, 2, `${tokens[at] ?? ''}${tokens[at + 1] ?? ''}`);
  }
}

/** A random grammar of merges over a, b, c: each joins tokens that are there already. */
const grammars = fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { maxLength: 30 }).map((picks) => {
  const tokens = ['a', 'b', 'c'];
  const pairs: [string, string][] = [];
  for (const [left, right] of picks) {
    const pair: [string, string] = [
      tokens[left % tokens.length] ?? '',
      tokens[right % tokens.length] ?? '',
    ];
    const joined = pair.join('');
    if (joined.length > 12 || pairs.some(([l, r]) => l === pair[0] && r === pair[1])) continue;
    pairs.push(pair);
    if (!tokens.includes(joined)) tokens.push(joined);
  }
  const table: Merges = readMerges(
    Object.fromEntries(tokens.map((token, id) => [token, id])),
    pairs,
  );
  return { pairs, table };
});

describe('joining tokens', () => {
  it('[K7] gives what the definition gives, for any grammar and word', () => {
    const words = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', '😀'), maxLength: 40 });
    fc.assert(
      fc.property(grammars, words, ({ pairs, table }, word) => {
        expect(mergeWord(table, word)).toEqual(dumbMerge(pairs, word));
      }),
      { numRuns: 2000 },
    );
  });

  it('[K3] refuses merges of what is no token', () => {
    for (const merges of [['a x'], ['ab'], ['a b']]) {
      expect(() => readMerges({ a: 0, b: 1 }, merges)).toThrow(
        expect.objectContaining({ code: 'package/malformed' }),
      );
    }
  });
});

describe('heap', () => {
  it('[K7] gives numbers back in order, however pushes and pops mix', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer())), (steps) => {
        const heap = new MinHeap();
        let sorted: number[] = [];
        for (const step of steps) {
          if (step === null) expect(heap.pop()).toBe(sorted.shift());
          else heap.push(step);
          if (step !== null) sorted = [...sorted, step].sort((a, b) => a - b);
        }
        for (const value of sorted) expect(heap.pop()).toBe(value);
        expect(heap.pop()).toBeUndefined();
      }),
    );
  });
});
