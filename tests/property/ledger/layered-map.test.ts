import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withEntry } from '#lib/ledger/pbft/layered-map.ts';

const entries = fc.array(fc.tuple(fc.nat(60), fc.nat()), { maxLength: 150 });

test('[R24] slots and batches stand in maps that are as plain ones, and never change', () => {
  fc.assert(
    fc.property(entries, entries, (first, more) => {
      const plain = new Map(first.map(([key, value]) => [key, { value }]));
      let map: ReadonlyMap<number, { readonly value: number }> = new Map(plain);
      for (const [key, value] of more) {
        const [held, before] = [map, [...map]];
        map = withEntry(map, key, { value });
        plain.set(key, { value });
        expect([...held]).toEqual(before);
        expect(map.get(key)).toEqual({ value });
      }
      expect([...map]).toEqual([...plain]);
      expect([...map.keys()]).toEqual([...plain.keys()]);
      expect([...map.values()]).toEqual([...plain.values()]);
      expect(map.size).toBe(plain.size);
      for (let key = 0; key <= 60; key += 1) {
        expect(map.get(key)).toEqual(plain.get(key));
        expect(map.has(key)).toBe(plain.has(key));
      }
      const visited: unknown[] = [];
      map.forEach((value, key) => visited.push([key, value]));
      expect(visited).toEqual([...plain]);
    }),
    { numRuns: 100 },
  );
});
