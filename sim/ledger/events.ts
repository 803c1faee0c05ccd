import { RULE_BRANCHES } from '#lib/ledger/pbft/rule-branches.ts';
import type { EventRow } from '#sim/session/events.ts';

/**
 * What a campaign must have met to have shown anything: by name, with how often in 10 000 seeds at
 * least. Each is counted where it shows outside the cores: by what they send, write and execute.
 */
const EVENTS: readonly (readonly [name: string, perTenThousandMin: number])[] = [
  ['new-view', 10_000],
  ['new-view with a certificate', 3_000],
  ['new-view with a gap', 500],
  ['state transfer', 1_000],
  ['epoch change', 1_000],
  ['epoch change with a view change at it', 200],
  ['crash at propose', 100],
  ['crash at prepare', 100],
  ['crash at commit', 100],
  ['crash at view-change', 100],
  ['crash at new-view', 100],
  ['crash at stable', 100],
  ['crash at checkpoint', 100],
  ['crash at batch', 100],
  ['crash: before', 100],
  ['crash: torn', 100],
  ['crash: log only', 100],
  ['crash: synced', 100],
  ['crash: sent', 100],
  ['power cut', 500],
  ['amnesia', 500],
  ['new vote key', 100],
  ['equivocation', 5_000],
  ['evidence', 1_000],
  ['cut', 3_000],
  ['request sent again', 10_000],
  ['acknowledged', 50_000],
  ['checkpoint taken by a light client', 10_000],
  ...(['twin', 'fuzz', 'slow', 'censor', 'clock', 'partial', 'spam'] as const).map(
    (role) => [`seeds with a faulty one: ${role}`, 300] as const,
  ),
  ...[4, 5, 6, 7, 8, 9, 10].map((n) => [`n = ${n}`, 500] as const),
  ['R26 a slot is committed by a view that was left', 5_000],
];

/** Each branch of a rule at least so often, in a correct replica. */
const BRANCH_MIN = 20;

/** Rules of the replica's README without a branch that says so, and where they are shown. */
export const UNCOUNTED_RULES: readonly { readonly rule: string; readonly why: string }[] = [
  {
    rule: 'R1',
    why: 'numbers, not a branch: n goes from 4 to 10, and a quorum of 2f + 1 is found',
  },
];

/** Fewer seeds say nothing of how often something happens. */
const SEEDS_MIN = 300;

/** What happened in so many seeds beside what must have: events, then shares and means. */
export function eventTable(counts: ReadonlyMap<string, number>, seeds: number): EventRow[] {
  const isEnough = seeds >= SEEDS_MIN;
  const of = (name: string): number => counts.get(name) ?? 0;
  const named = new Set(EVENTS.map(([name]) => name));
  const branches = RULE_BRANCHES.filter((branch) => !named.has(branch));
  const all = [...EVENTS, ...branches.map((branch) => [branch, BRANCH_MIN] as const)];
  const events = all.map(([name, min]) => ({
    name,
    count: of(name),
    min: isEnough ? Math.floor((min * seeds) / 10_000) : 0,
  }));
  const row = (name: string, count: number, bounds: { min?: number; max?: number }): EventRow => ({
    ...{ name, count, min: isEnough ? (bounds.min ?? 0) : 0 },
    ...(isEnough && bounds.max !== undefined ? { max: bounds.max } : {}),
  });
  const share = (part: string): number => (100 * of(part)) / seeds;
  const unordered = (100 * of('delivered out of order')) / Math.max(1, of('delivered'));
  return [
    ...events,
    row('deliveries out of order, %', unordered, { min: 5 }),
    row('seeds with a loss, %', share('seeds with a loss'), { min: 50 }),
    row('seeds with a duplicate, %', share('seeds with a duplicate'), { min: 50 }),
    row('seeds with a one-way cut, %', share('seeds with a one-way cut'), { min: 50 }),
    row('slots executed a seed', of('slot executed') / seeds, { min: 15 }),
    row('messages a seed', of('message') / seeds, { max: 4_000 }),
  ];
}
