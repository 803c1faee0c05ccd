import { describe, expect, it } from 'vitest';
import { pageDigests, type PrefixSharing } from '#lib/shard/session/prefix.ts';
import { planFill } from '#lib/shard/session/fill.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { CPU_LIMITS } from '#lib/webgpu/cpu/limits.ts';
import { OwnerRig, plan, place, request, SESSION } from './rig.ts';

const SHARING: PrefixSharing = { salt: 's', public: null, pagePositions: 2, mayHit: true };
const ids = [11, 12, 13, 14, 15];

describe('[S3] names of pages', () => {
  it('are those of the whole pages, 16 bytes each', () => {
    const digests = pageDigests(SHARING, ids);
    expect(digests).toHaveLength(2);
    expect(digests.every((digest) => /^[0-9a-f]{32}$/.test(digest))).toBe(true);
    expect(pageDigests(SHARING, ids, digests.slice(0, 1))).toEqual(digests);
  });

  it('differ by salt, by ids and by all that stands before', () => {
    const all = [
      pageDigests(SHARING, ids),
      pageDigests({ ...SHARING, salt: 't' }, ids),
      pageDigests(SHARING, [11, 12, 13, 99, 15]),
      pageDigests(SHARING, [99, 12, 13, 14, 15]),
    ];
    expect(new Set(all.map(([, second]) => second)).size).toBe(4);
    expect(all[2]?.[0]).toBe(all[0]?.[0]);
    expect(pageDigests(SHARING, [1, 23, 4])).not.toEqual(pageDigests(SHARING, [12, 3, 4]));
  });

  it('are everybody’s where all ids of the page are public, and nobody’s without a salt', () => {
    const open = { ids: 3, salt: 'public' };
    const [first, second] = pageDigests({ ...SHARING, public: open }, ids);
    const other = pageDigests({ ...SHARING, salt: 't', public: open }, ids);
    expect(other[0]).toBe(first);
    expect(other[1]).not.toBe(second);
    expect(pageDigests({ ...SHARING, salt: null, public: open }, ids)).toEqual([first]);
    expect(pageDigests({ ...SHARING, salt: null }, ids)).toEqual([]);
  });

  it('the owner’s pages are the CPU stage’s', () => {
    expect(WIRE.prefixPagePositions).toBe(CPU_LIMITS.pagePositions);
    expect(WIRE.prefixPagesMax * WIRE.prefixPagePositions).toBe(WIRE.promptIdsMax);
  });
});

const TWO = plan([place(1, 0), place(2, 1)]);
const withPrefix = (mayHit: boolean) => {
  const prefix = { ...SHARING, mayHit };
  return new OwnerRig({ request: request({ prefix }), plan: TWO });
};
const sent = (rig: OwnerRig, type: string) =>
  rig.out.flatMap((output) =>
    output.type === 'send' && output.message.type === type ? [output.message] : [],
  );

describe('[S5] the first fill', () => {
  it('waits for the reports where a place may have a hit', () => {
    const rig = withPrefix(true);
    expect(sent(rig, 'prepare')).toMatchObject([
      {
        prefix: { mayHit: true, pagePositions: 2, digests: pageDigests(SHARING, ids.slice(0, 4)) },
      },
      { prefix: { mayHit: true } },
    ]);
    expect(sent(rig, 'fill')).toEqual([]);
    rig.report(1, 4, 4);
    rig.report(2, 2, 2);
    // Place 1 lacks rows that place 0 has no more: both begin there.
    expect(sent(rig, 'fill')).toMatchObject([{ starts: [2, 2] }, { starts: [2, 2] }]);
    expect(rig.out).toContainEqual({ type: 'prefix-hit', positions: 2 });
  });

  it('does not where nobody can have one, and tells the places to look for none', () => {
    const rig = withPrefix(false);
    expect(sent(rig, 'prepare')).toMatchObject([{ prefix: { mayHit: false } }, {}]);
    expect(sent(rig, 'fill')).toMatchObject([{ starts: [0, 0] }, {}]);
  });

  it('is none where all have the whole prompt', () => {
    const rig = withPrefix(true);
    for (const n of [1, 2]) rig.report(n, 4, 4);
    expect(sent(rig, 'fill')).toEqual([]);
    expect(sent(rig, 'handover')).toMatchObject([{ position: 4, id: 15 }]);
    expect(rig.out).toContainEqual({ type: 'prefix-hit', positions: 4 });
  });

  it('begins at the least hit of all that come after', () => {
    const hits = (...lengths: number[]) =>
      planFill(
        lengths.map((kvLength) => ({ kvLength, keptFrom: kvLength })),
        10,
      );
    expect(hits(8, 4, 6)).toEqual([4, 4, 6]);
    expect(hits(4, 8, 10)).toEqual([4, 8, 10]);
    expect(hits(10, 10, 2)).toEqual([2, 2, 2]);
    expect(hits(0, 8, 10)).toEqual([0, 8, 10]);
  });
});

it.each([
  ['none of the last page where the last id would end a page', 3, 3],
  ['all that end before the last id', 4, 4],
])('[S3] [S10] the end names the pages of the answer: %s', (_, tokens, upTo) => {
  const rig = withPrefix(false);
  for (const n of [1, 2]) rig.report(n, 4, 4);
  const token = { type: 'token', session: SESSION, epoch: 1, place: 1, last: false } as const;
  for (let index = 0; index < tokens; index += 1) rig.say(2, { ...token, index, id: 20 + index });
  rig.step({ type: 'cancel' });
  const all = pageDigests(SHARING, [...ids, 20, 21, 22]);
  // At the last id a holder may still have the row of a draft that was wrong.
  expect(all).toHaveLength(4);
  expect(sent(rig, 'end')).toEqual(
    [1, 2].map(() => ({
      type: 'end',
      session: SESSION,
      pages: { epoch: 1, digests: all.slice(2, upTo) },
    })),
  );
});
