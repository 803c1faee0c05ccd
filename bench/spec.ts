import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import type { LoadOrder } from '#lib/shard/stage/stage-host.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { CPU_LIMITS } from '#lib/webgpu/cpu/limits.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import type { Stage } from '#lib/webgpu/stage.ts';
import { EMBEDDED, makeRing, TWO_PLACES } from '#tests/support/drafted-ring.ts';
import { goldenRows, type GoldenRow } from '#tests/support/golden.ts';
import type { HostRing } from '#tests/support/host-ring.ts';
import { atLeast, machine, median, type BenchResult } from './result.ts';

/** A token crosses two links: half of it each way. */
const LINK_MS = 15;
/** More where an answer takes a fifth of the time, and a hiccup weighs as much more. */
const FAR_PAIRS = 2;
const NEAR_PAIRS = 5;
const TOKENS_MAX = 48;
/** Rates of shorter answers are of a few steps, and differ more by chance than by guesses. */
const RATED_TOKENS = 40;

interface Rated {
  readonly row: GoldenRow;
  /** Milliseconds from the first token to the last, by pair. */
  readonly withoutMs: readonly number[];
  readonly withMs: readonly number[];
}

/**
 * Tokens/s of the golden rows with guessed ids and without, in turns, over a ring of two hosts with
 * 30 ms a round on its links, and over one whose links take no time. Ids must be the golden ones.
 */
export async function run({
  rows: names,
}: {
  rows: readonly string[] | null;
}): Promise<BenchResult> {
  const rows = goldenRows().filter(({ name }) => names === null || names.includes(name));
  const { near, far } = await rateAll(rows);
  const [summaries, others] = [far.filter(isSummary), far.filter((rated) => !isSummary(rated))];
  const bars = [
    atLeast('summarising rows, 30 ms of links a round, the least', least(summaries), {
      min: 1.5,
      unit: '×',
    }),
    atLeast('other rows, 30 ms of links a round', together(others), { min: 0.97, unit: '×' }),
    atLeast('other rows, 30 ms of links a round, the least of the longer', least(longer(others)), {
      min: 0.97,
      unit: '×',
    }),
    atLeast('all rows, links that take no time', together(near), { min: 0.97, unit: '×' }),
    atLeast('all rows, links that take no time, the least of the longer', least(longer(near)), {
      min: 0.97,
      unit: '×',
    }),
  ];
  const figures = { ...figuresOf('30 ms', far), ...figuresOf('0 ms', near) };
  // Of rows that were left out nothing is said.
  return { name: 'spec', machine: machine(), figures, bars: bars.filter(isRated) };
}

const isRated = ({ value }: BenchResult['bars'][number]): boolean => Number.isFinite(value);

/**
 * Two rings of the same two engines, each with hosts of its own: what drafts cost is learned by them. The
 * near one reads the prompts, which takes it longest, and the far one finds their pages.
 */
async function rateAll(
  rows: readonly GoldenRow[],
): Promise<{ readonly near: readonly Rated[]; readonly far: readonly Rated[] }> {
  const load = await sharedStages();
  const rings: HostRing[] = [];
  const rate = async (linkMs: number, pairs: number): Promise<Rated[]> => {
    const ring = await makeRing(TWO_PLACES, { linkMs, load });
    rings.push(ring);
    const rated: Rated[] = [];
    for (const row of rows) rated.push(await rateRow(ring, row, pairs));
    return rated;
  };
  try {
    const near = await rate(0, NEAR_PAIRS);
    const far = await rate(LINK_MS, FAR_PAIRS);
    return { near, far };
  } finally {
    // The first to end takes the engines along.
    for (const ring of rings) ring.end();
  }
}

/** An engine a range, loaded once, whichever host asks. */
async function sharedStages(): Promise<(order: LoadOrder) => Promise<Stage>> {
  const { manifest, weights } = await openPackageFolder(EMBEDDED);
  const factory = cpuStageFactory(await loadKernels());
  const stages = new Map<string, Promise<Stage>>();
  return ({ shard, range, numerics }) => {
    const known = stages.get(shard);
    if (known) return known;
    const stage = factory({ shape: manifest.shape, range, numerics, kvBytesMax: 512e6, weights });
    stages.set(shard, stage);
    return stage;
  };
}

async function rateRow(ring: HostRing, row: GoldenRow, pairs: number): Promise<Rated> {
  const times: { with: number[]; without: number[] } = { with: [], without: [] };
  // Not timed: reads the prompt, whose pages all others share.
  await decodeMs(ring, row, 0);
  for (let pair = 0; pair < pairs; pair += 1) {
    const order = pair % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const);
    for (const way of order) {
      times[way].push(await decodeMs(ring, row, way === 'with' ? RING.draftsMax : 0));
    }
  }
  return { row, withMs: times.with, withoutMs: times.without };
}

/** @throws Error where the ids are not the row's. */
async function decodeMs(ring: HostRing, row: GoldenRow, draftsMax: number): Promise<number> {
  const { pagePositions } = CPU_LIMITS;
  const arrivals: number[] = [];
  const ids = await ring.answer({
    promptIds: row.promptIds,
    maxTokens: tokensOf(row),
    choosing: { draftsMax, prefix: { salt: row.name, public: null, pagePositions, mayHit: true } },
    onToken: () => arrivals.push(performance.now()),
  });
  if (ids.join() !== row.greedyIds.slice(0, tokensOf(row)).join())
    throw new Error(`${row.name}: other ids`);
  return (arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0);
}

const tokensOf = ({ greedyIds }: GoldenRow): number => Math.min(greedyIds.length, TOKENS_MAX);

const isSummary = ({ row }: Rated): boolean => row.name.startsWith('long');

const longer = (rated: readonly Rated[]): Rated[] =>
  rated.filter(({ row }) => tokensOf(row) >= RATED_TOKENS);

/** Of pairs, each one after the other: a machine that is slow for a while is slow for both. */
const gainOf = ({ withMs, withoutMs }: Rated): number =>
  median(withoutMs.map((ms, pair) => ms / (withMs[pair] ?? Number.NaN)));

const least = (rated: readonly Rated[]): number => Math.min(...rated.map(gainOf));

/** Of all answers one after the other. */
const together = (rated: readonly Rated[]): number => {
  const sum = (of: (each: Rated) => readonly number[]): number =>
    rated.reduce((total, each) => total + median(of(each)), 0);
  return sum(({ withoutMs }) => withoutMs) / sum(({ withMs }) => withMs);
};

const figuresOf = (links: string, rated: readonly Rated[]): Record<string, string> =>
  Object.fromEntries(
    rated.map((each) => {
      const tokens = tokensOf(each.row) - 1;
      const rate = (ms: readonly number[]): string => ((1000 * tokens) / median(ms)).toFixed(1);
      const value = `${rate(each.withoutMs)} → ${rate(each.withMs)}, ${gainOf(each).toFixed(2)}×`;
      return [`${each.row.name}, ${links}, tokens/s`, value];
    }),
  );
