import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantMs } from '#lib/kernel/units.ts';
import { PendingRequests, type Pending } from '#lib/ledger/pbft/pending.ts';

/** Adds one of a link, or takes some away. */
const step = fc.oneof(
  fc.record({ add: fc.constantFrom('x', 'y', 'z') }),
  fc.record({ take: fc.array(fc.nat(200), { maxLength: 20 }) }),
);

test('[R24] requests that wait are a list in order of arrival, counted by link, and never change', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 250 }), (steps) => {
      let list: readonly Pending[] = [];
      let pending = PendingRequests.NONE;
      for (const [i, each] of steps.entries()) {
        const before = [...pending];
        const held = pending;
        if ('add' in each) {
          const [id, link] = [`${i}`, each.add];
          const added = {
            id,
            link,
            request: new Uint8Array(1),
            at: instantMs(i),
            isRelayed: false,
          };
          list = [...list, added];
          pending = pending.with(added);
        } else {
          const ids = each.take.map(String);
          list = list.filter(({ id }) => !ids.includes(id));
          pending = pending.without(ids);
        }
        expect([...held]).toEqual(before);
      }
      expect([...pending]).toEqual(list);
      expect(pending.size).toBe(list.length);
      expect(pending.oldest).toEqual(list[0]);
      for (const link of ['x', 'y', 'z']) {
        expect(pending.countOf(link)).toBe(list.filter((each) => each.link === link).length);
      }
      expect(list.every(({ id }) => pending.has(id))).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test('[R24] what is added to an older list of requests is in no newer one', () => {
  const request = (id: string, link: string): Pending => ({
    ...{ id, link, request: new Uint8Array(1) },
    ...{ at: instantMs(0), isRelayed: false },
  });
  const one = PendingRequests.NONE.with(request('a', 'x'));
  const two = one.with(request('b', 'x'));
  const other = one.with(request('c', 'x')).with(request('b', 'y'));
  expect([...one.keys()]).toEqual(['a']);
  expect([...two.keys()]).toEqual(['a', 'b']);
  expect([...other.keys()]).toEqual(['a', 'c', 'b']);
  expect([one, two, other].map((list) => list.countOf('x'))).toEqual([1, 2, 2]);
  expect([one.has('b'), two.has('c'), other.has('b')]).toEqual([false, false, true]);
  expect(PendingRequests.NONE.size).toBe(0);
});
