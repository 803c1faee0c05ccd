import { expect, it } from 'vitest';
import { seededRandom } from '#lib/kernel/random.ts';
import { planGroups, type Group, type GroupPlan } from '#lib/webgpu/gpu/kv/plan-groups.ts';

const LIMITS = {
  ...{ pagePositions: 64, pagesMax: 200, slotsMax: 16, growPositions: 256 },
  bufferPositionsMax: 1 << 20,
};

type Pairs = readonly (readonly [slot: number, count: number])[];

const plan = (
  rows: Pairs,
  held: Pairs,
  { groups = [], ...limits }: Partial<typeof LIMITS> & { groups?: readonly Group[] } = {},
): GroupPlan =>
  planGroups({
    groups,
    held: new Map(held),
    rows: new Map(rows),
    limits: { ...LIMITS, ...limits },
  });

const lengths = (count: number, length = 10) =>
  Array.from({ length: count }, (_, i) => [i + 1, length] as const);
const ones = (count: number) => lengths(count, 1);

it('[D10] single rows of several sessions are one run, in a group of a power of two', () => {
  const { groups, runs } = plan(ones(5), lengths(5));
  expect(runs).toEqual([[1, 2, 3, 4, 5]]);
  expect(groups).toEqual([{ id: null, capacity: 256, members: [1, 2, 3, 4, 5, null, null, null] }]);
});

it('[D10] who has several rows, or is the only one with a row, lies alone in whole pages', () => {
  const rows = [...ones(2), [3, 5]] as [number, number][];
  expect(plan(rows, lengths(3)).runs).toEqual([[1, 2], [3]]);
  expect(plan([[1, 1]], [[1, 65]])).toEqual({
    groups: [{ id: null, capacity: 128, members: [1] }],
    runs: [[1]],
  });
});

const EIGHT: Group = { id: 4, capacity: 256, members: [1, 2, 3, 4, 5, 6, 7, 8] };

it('[D10] half of a group decode where they lie; fewer move out', () => {
  expect(plan(ones(4), lengths(8), { groups: [EIGHT] })).toEqual({
    groups: [EIGHT],
    runs: [[1, 2, 3, 4]],
  });
  const { groups, runs } = plan(ones(3), lengths(8), { groups: [EIGHT] });
  expect(runs).toEqual([[1, 2, 3]]);
  expect(groups).toEqual([
    { id: null, capacity: 256, members: [1, 2, 3, null] },
    { ...EIGHT, members: [null, null, null, 4, 5, 6, 7, 8] },
  ]);
});

it('[D10] a newcomer takes a free slot', () => {
  const four: Group = { id: 2, capacity: 256, members: [1, 2, 3, null] };
  const single: Group = { id: 3, capacity: 64, members: [4] };
  expect(plan(ones(4), lengths(4), { groups: [four, single] }).groups).toEqual([
    { ...four, members: [1, 2, 3, 4] },
  ]);
});

it('[D10] a row that nobody reads has room, too', () => {
  const pair: Group = { id: 2, capacity: 256, members: [1, 2] };
  const held = [
    [1, 10],
    [2, 256],
  ] as const;
  expect(plan([[1, 1]], held, { groups: [pair] }).groups).toEqual([{ ...pair, capacity: 512 }]);
});

it('[D10] where pages or bindings are too short for groups, every session lies alone', () => {
  for (const limits of [{ pagesMax: 9 }, { bufferPositionsMax: 1000 }]) {
    const { groups, runs } = plan(ones(3), lengths(3), { groups: [EIGHT], ...limits });
    expect(runs).toEqual([[1], [2], [3]]);
    expect(groups.map(({ members, capacity }) => [...members, capacity])).toEqual([
      [1, 64],
      [2, 64],
      [3, 64],
    ]);
  }
});

it('[D10] whatever the steps: each slot lies in one place that is large enough, each row is in one run', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seededRandom(seed);
    const held = new Map<number, number>();
    let groups: readonly Group[] = [];
    let id = 1;
    for (let step = 0; step < 20; step += 1) {
      for (const slot of [...held.keys()]) if (random.chance(0.1)) held.delete(slot);
      const rows = new Map<number, number>();
      for (let slot = 1; slot <= 24; slot += 1) {
        if (!random.chance(0.5)) continue;
        const count = random.chance(0.8) ? 1 : 1 + random.below(90);
        rows.set(slot, count);
        held.set(slot, (held.get(slot) ?? 0) + count);
      }
      const given = planGroups({ groups, held, rows, limits: { ...LIMITS, pagesMax: 400 } });
      expect([seed, step, wrongIn(given, held, rows)]).toEqual([seed, step, []]);
      groups = given.groups.map((group) => ({ ...group, id: group.id ?? id++ }));
    }
  }
});

/** What a plan must not do, in words. */
function wrongIn(
  { groups, runs }: GroupPlan,
  held: ReadonlyMap<number, number>,
  rows: ReadonlyMap<number, number>,
): string[] {
  const sorted = (slots: readonly number[]): string => [...slots].sort((a, b) => a - b).join();
  const members = groups.flatMap((group) => group.members.filter((slot) => slot !== null));
  const wrong: string[] = [];
  if (sorted(members) !== sorted([...held.keys()])) wrong.push('a slot has no place, or two');
  if (sorted(runs.flat()) !== sorted([...rows.keys()])) wrong.push('a row is in no run, or in two');
  for (const group of groups) {
    const run = runs.find((slots) => group.members.includes(slots[0] ?? -1)) ?? [];
    const many = group.members.length > 1;
    if (!run.every((slot) => group.members.includes(slot))) wrong.push('a run across groups');
    if (many && run.some((slot) => rows.get(slot) !== 1)) wrong.push('many rows in a group');
    for (const slot of group.members) {
      const extra = many && run.length > 0 && slot !== null && !run.includes(slot) ? 1 : 0;
      if ((held.get(slot ?? -1) ?? 0) + extra > group.capacity) wrong.push('a slot without room');
    }
  }
  return wrong;
}
