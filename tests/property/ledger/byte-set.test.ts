import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concatBytes, toHex } from '#lib/kernel/bytes.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import { changedSet, entriesFrom, setOf, type ByteSet } from '#lib/ledger/account/byte-set.ts';

const withEntry = (set: ByteSet, entry: Uint8Array): ByteSet =>
  changedSet(set, [{ entry, isIn: true }]);
const withoutEntry = (set: ByteSet, entry: Uint8Array): ByteSet =>
  changedSet(set, [{ entry, isIn: false }]);

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

test('[A13] many changes at once make the set that one after the other makes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const random = seededRandom(seed);
      // Entries that share their first bytes lie together, others part them.
      const draw = () =>
        Uint8Array.from({ length: 3 }, () => random.below(random.pick([2, 4, 256])));
      let set: ByteSet = null;
      for (let round = 0; round < 12; round += 1) {
        const known = [...entriesFrom(set, new Uint8Array(0))];
        const changes = new Map<string, { entry: Uint8Array; isIn: boolean }>();
        for (let i = random.below(random.pick([3, 200])); i > 0; i -= 1) {
          const entry = known.length > 0 && random.chance(0.4) ? random.pick(known) : draw();
          changes.set(toHex(entry), { entry, isIn: random.chance(round < 6 ? 0.8 : 0.2) });
        }
        const before = known.map(toHex);
        const each = [...changes.values()];
        const alone = each.reduce<ByteSet>((all, change) => changedSet(all, [change]), set);
        const after = changedSet(set, each);
        expect(after).toEqual(alone);
        expect([...entriesFrom(set, new Uint8Array(0))].map(toHex)).toEqual(before);
        set = after;
      }
    }),
    { numRuns: 100 },
  );
});
