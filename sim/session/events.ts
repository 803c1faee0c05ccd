/**
 * What a campaign must have met to have shown anything, counted from outside the cores
 * (`witness.ts`): by name, with how often in 1 000 seeds at least.
 */
export const EVENTS: readonly (readonly [name: string, perThousandMin: number])[] = [
  ['join', 20],
  ['leave', 60],
  ['pause', 40],
  ['slow', 20],
  ['freeze', 30],
  ['hang', 30],
  ['busy', 30],
  ['frame lost on a live link', 60],
  ['frame doubled', 60],
  ['frame out of order', 40],
  ['last stage dies, owner told and stage 0 not', 5],
  ['last stage dies, stage 0 told and owner not', 5],
  ['two stages die at once, adjacent', 10],
  ['two stages die at once, apart', 5],
  ['zombie sends old frames before the new route is known', 5],
  ['zombie sends old frames after the new route is known', 5],
  ['frame lost on a dead direction', 45],
  ['hop goes by relay', 15],
  ['socket back', 200],
  ['cancel while routing of a failover', 3],
  ['cancel while preparing of a failover', 3],
  ['cancel while filling of a failover', 3],
  ['cancel while decoding of a failover', 3],
  ['failure during a failover', 150],
  ['frame lost: link closed and open again', 30],
  ['socket drops with prepare in flight', 40],
  ['socket drops with report in flight', 60],
  ['socket drops with fill in flight', 30],
  ['socket drops with handover in flight', 5],
  ['socket drops with ack in flight', 60],
  ['socket drops with token in flight', 60],
  ['socket drops with end in flight', 8],
  ['node crashes and is back in < 2 s', 30],
  ['holder leaves a route and returns to it', 10],
  ['holder comes back to its place unreleased', 1],
  ['one node holds two hops, adjacent', 200],
  ['one node holds two hops, apart', 50],
  ['step runs while the new epoch comes', 50],
  ['fault no-room', 15],
  ['epoch: room again', 8],
  ['kept rows dropped', 200],
  ['kept rows gone, computed again', 5],
  ['prefix hit', 200],
  ['prefix hits of different length', 30],
  ['prompt rows computed by nobody', 50],
  ['kept page gives way', 50],
  ['step of drafts: all stand', 100],
  ['step of drafts: some stand', 100],
  ['step of drafts: none stands', 100],
  ['step of drafts: a new epoch ends it', 20],
  ['step of drafts: lost on a live link', 3],
  ['step of drafts: cancelled', 3],
  ['run-ahead stops', 50],
  ['word of an ended incarnation', 20],
  ['fault held-expired', 3],
  ['fault expired', 3],
  ['owner-dies', 20],
  ['regrows', 4],
  ['refuses', 4],
  ['finds-fault', 4],
  ['poisons', 4],
  ['dawdles', 4],
  ['route without one that is put off', 15],
  ['answer lost to a liar', 0.2],
  ['answer finished', 1000],
  ['answer cancelled', 80],
  ['answer stopped by a string', 30],
];

/** Of all that moved: how often a seed's network broke its own order, in the mean. */
const RATES: readonly (readonly [name: string, parts: readonly string[], perSeedMin: number])[] = [
  ['re-orderings a seed', ['frame out of order'], 0.05],
  [
    'losses a seed',
    [
      'frame lost on a live link',
      'frame lost on a dead direction',
      'frame lost: link closed',
      'frame lost: link closed and open again',
    ],
    0.3,
  ],
  ['duplicates a seed', ['frame doubled'], 0.05],
];

export interface EventRow {
  readonly name: string;
  readonly count: number;
  /** The least it must be for so many seeds. */
  readonly min: number;
  /** The most it may be. */
  readonly max?: number;
}

/** Fewer seeds say nothing of how often something happens. */
const SEEDS_MIN = 300;

/** What happened in so many seeds beside what must have: events, then rates. */
export function eventTable(counts: ReadonlyMap<string, number>, seeds: number): EventRow[] {
  const isEnough = seeds >= SEEDS_MIN;
  const of = (name: string): number => counts.get(name) ?? 0;
  const events = EVENTS.map(([name, perThousand]) => {
    const min = isEnough ? Math.floor((perThousand * seeds) / 1000) : 0;
    return { name, count: of(name), min };
  });
  const rates = RATES.map(([name, parts, perSeed]) => {
    const sum = parts.reduce((total, part) => total + of(part), 0);
    return { name, count: sum / seeds, min: isEnough ? perSeed : 0 };
  });
  return [...events, ...rates];
}

export const isTooRare = ({ count, min, max = Infinity }: EventRow): boolean =>
  count < min || count > max;
