import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concatBytes, toHex } from '#lib/kernel/bytes.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import {
  entriesFrom,
  setOf,
  withEntry,
  withoutEntry,
  type ByteSet,
} from '#lib/ledger/account/byte-set.ts';

test('[A13] an index is a sorted list, from any point on, whatever its past', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const random = seededRandom(seed);
      const draw = () => Uint8Array.from({ length: 5 }, () => random.below(random.pick([2, 256])));
      const model = new Map<string, Uint8Array>();
      let set: ByteSet = null;
      // More than one page holds, and down to less again.
      const most = random.pick([20, 60, 400]);
      for (let i = 0; i < 2 * most; i += 1) {
        const known = [...model.values()];
        const entry =
          known.length > 0 && random.chance(i < most ? 0.2 : 0.9) ? random.pick(known) : draw();
        if (random.chance(i < most ? 0.2 : 0.8)) {
          set = withoutEntry(set, entry);
          model.delete(toHex(entry));
        } else {
          set = withEntry(set, entry);
          model.set(toHex(entry), entry);
        }
      }
      const from = draw().subarray(0, random.below(6));
      const sorted = [...model.keys()].sort().filter((hex) => hex >= toHex(from));
      expect([...entriesFrom(set, from)].map(toHex)).toEqual(sorted);
      const again = [...model.values()].reduce<ByteSet>(withEntry, null);
      expect(again).toEqual(set);
      const packed = concatBytes([...model.values()]);
      expect(setOf(packed, 5)).toEqual(set);
      // By their last bytes, as entries come from records by ascending key; or only said to be so.
      const byTail = [...model].sort(([a], [b]) => (a.slice(4) < b.slice(4) ? -1 : 1));
      expect(setOf(concatBytes(byTail.map(([, entry]) => entry)), 5, 2)).toEqual(set);
      expect(setOf(packed, 5, 2)).toEqual(set);
    }),
    { numRuns: 100 },
  );
});
