import { FaultError } from '#lib/kernel/errors.ts';
import { must } from '#lib/kernel/assert.ts';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import { kvPageBytes } from '#lib/webgpu/cpu/page-memory.ts';
import { NUMERICS, type Numerics } from '#lib/webgpu/model.ts';
import { GREEDY, historyFor, type SamplingParams } from '#lib/webgpu/sampling/params.ts';
import { sample } from '#lib/webgpu/sampling/sample.ts';
import type { Segment, SegmentResult, Stage, StageFactory, Want } from '#lib/webgpu/stage.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import { firstDifference, loadStage, type Model } from './stages.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

/**
 * Sessions by chance on one stage – chunks of prefill, decode steps, roll-backs, cancels, shared
 * pages and evictions, many in a step – each held against a stage that has it alone.
 */

const SHAPE = tinyShape({ hidden: 32, heads: 2, kvHeads: 1, mlp: 32, vocab: 61, contextMax: 160 });
const MODEL: Model = {
  shape: SHAPE,
  weights: syntheticWeights(SHAPE, (name) => (name.startsWith('mlp') ? 'Q4_1' : 'Q8_0')),
};
const PAGES = 28;
const SESSIONS_MAX = 16;
const ACTIONS = 60;
/** Prompts of one family begin alike; families branch where a page does and where none does. */
const FAMILY_COMMON = [32, 45] as const;

/** What happened: a run in which nothing was shared or evicted has shown nothing. */
export interface Happened {
  steps: number;
  rows: number;
  /** Most sessions that one step had. */
  widest: number;
  rollBacks: number;
  cancels: number;
  sharedPages: number;
  noPages: number;
  samples: number;
}

/** A row's result that is still to be held against the one alone. */
interface Seen {
  readonly position: number;
  readonly logits: Float32Array | null;
  readonly sampled: { readonly id: number; readonly index: number } | null;
}

interface Session {
  readonly kv: number;
  readonly params: SamplingParams;
  prompt: number[];
  /** All ids whose rows are in the KV. */
  ids: number[];
  /** Sampled and not computed yet. */
  next: number | null;
  seen: Seen[];
}

/** All of some seeds, one after the other. @throws Error naming the seed. */
export async function runInterleavings(
  factory: StageFactory,
  { from, seeds }: { readonly from: number; readonly seeds: number },
): Promise<Happened> {
  const all = nothingYet();
  for (let seed = from; seed < from + seeds; seed += 1) {
    const happened = await runInterleaving(factory, seed);
    for (const key of Object.keys(all) as (keyof Happened)[]) {
      all[key] = key === 'widest' ? Math.max(all[key], happened[key]) : all[key] + happened[key];
    }
  }
  return all;
}

const nothingYet = (): Happened => ({
  ...{ steps: 0, rows: 0, widest: 0, rollBacks: 0, cancels: 0, sharedPages: 0 },
  ...{ noPages: 0, samples: 0 },
});

/** @throws Error where a session gets other bits or ids than alone, or a page is lost. */
async function runInterleaving(factory: StageFactory, seed: number): Promise<Happened> {
  const numerics = must(NUMERICS[seed % NUMERICS.length], 'there are numerics');
  const whole = { first: 0, last: SHAPE.layers - 1 };
  const kvBytesMax = PAGES * kvPageBytes(SHAPE, whole, numerics);
  const stage = await loadStage(factory, MODEL, { numerics, kvBytesMax });
  const alone = await loadAlone(factory, numerics);
  const run = new Run(stage, alone, seed);
  try {
    for (let i = 0; i < ACTIONS; i += 1) await run.act();
    await run.end();
  } catch (error) {
    throw new Error(`seed ${seed} (${numerics}): ${String(error)}`, { cause: error });
  } finally {
    stage.dispose();
  }
  return run.happened;
}

const aloneStages = new Map<string, Promise<Stage>>();
/** One for all seeds: it is empty between two sessions. */
function loadAlone(factory: StageFactory, numerics: Numerics): Promise<Stage> {
  const loaded = aloneStages.get(numerics) ?? loadStage(factory, MODEL, { numerics });
  aloneStages.set(numerics, loaded);
  return loaded;
}

class Run {
  readonly happened = nothingYet();
  readonly #stage: Stage;
  readonly #alone: Stage;
  readonly #random: Random;
  #sessions: Session[] = [];

  constructor(stage: Stage, alone: Stage, seed: number) {
    this.#stage = stage;
    this.#alone = alone;
    this.#random = seededRandom(seed);
  }

  async act(): Promise<void> {
    const random = this.#random;
    const session = this.#sessions.length > 0 ? random.pick(this.#sessions) : null;
    const draw = random.below(20);
    if (session === null || (draw < 6 && this.#sessions.length < SESSIONS_MAX)) this.#open();
    else if (draw < 15) await this.#step();
    else if (draw < 17) await this.#rollBack(session);
    else if (draw < 19) this.#keep(session);
    else await this.#cancel(session);
    this.#checkLengths();
  }

  /** Everything is held against what it would be alone, and every page comes back. */
  async end(): Promise<void> {
    while (this.#sessions[0]) await this.#cancel(this.#sessions[0]);
    const free = this.#stage.pagesFree();
    if (free !== PAGES) throw new Error(`${PAGES - free} of ${PAGES} pages are lost`);
  }

  #open(): void {
    const random = this.#random;
    const kv = this.#stage.openKv();
    const prompt = promptOf(random.below(FAMILY_COMMON.length), random.below(3), random);
    const params = paramsOf(random);
    const session: Session = { kv, params, prompt, ids: [], next: null, seen: [] };
    this.#sessions.push(session);
    if (random.chance(0.3)) return;
    // At least one row is left to compute: the one that is sampled from.
    const pages = Math.floor((prompt.length - 1) / this.#stage.pagePositions);
    const keys = this.#keysOf(prompt).slice(0, pages);
    const shared = must(this.#stage.prefixCache, 'the CPU stage has one').share(kv, keys);
    this.happened.sharedPages += shared / this.#stage.pagePositions;
    session.ids = prompt.slice(0, shared);
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const from = random.below(this.#sessions.length);
    const turned = [...this.#sessions.slice(from), ...this.#sessions.slice(0, from)];
    const chosen = turned.slice(0, 1 + random.below(SESSIONS_MAX));
    const work = chosen.flatMap((session) => this.#segmentOf(session) ?? []);
    if (work.length === 0) return;
    const free = this.#stage.pagesFree();
    let results: SegmentResult[];
    try {
      results = await this.#stage.step(work.map(({ segment }) => segment));
    } catch (error) {
      if (!(error instanceof FaultError && error.code === 'engine/no-pages')) throw error;
      if (this.#stage.pagesFree() !== free) throw new Error('a refused step took pages');
      this.happened.noPages += 1;
      // Somebody has to give way, as the youngest session does (S11).
      const youngest = this.#sessions.at(-1);
      if (youngest) await this.#cancel(youngest);
      return;
    }
    this.happened.steps += 1;
    this.happened.widest = Math.max(this.happened.widest, work.length);
    work.forEach(({ session, ids }, i) => {
      this.#taken(session, ids, must(results[i], 'a result for each'));
    });
  }

  /** A chunk of the prompt, or the row of the id that was sampled last; null where it is full. */
  #segmentOf(session: Session): { session: Session; ids: number[]; segment: Segment } | null {
    const { kv, prompt, next, params } = session;
    const at = session.ids.length;
    const random = this.#random;
    if (at >= SHAPE.contextMax - 1) return null;
    const left = prompt.length - at;
    const ids = left > 0 ? prompt.slice(at, at + 1 + random.below(40)) : [next ?? at % SHAPE.vocab];
    const isEnd = at + ids.length >= prompt.length;
    const answerIds = session.ids.concat(ids).slice(prompt.length);
    const history = historyFor({ sampling: params, grammar: null }, prompt, answerIds);
    let want: Want = { kind: random.chance(0.5) ? 'none' : 'logits' };
    if (isEnd) want = { kind: 'sample', params, index: answerIds.length, history };
    const segment = { kv, firstPosition: at, rows: ids.length, ids: Int32Array.from(ids) };
    return { session, ids, segment: { ...segment, hidden: null, want } };
  }

  #taken(session: Session, ids: number[], { logits, sampledId }: SegmentResult): void {
    const { vocab } = SHAPE;
    const first = session.ids.length;
    session.ids = session.ids.concat(ids);
    this.happened.rows += ids.length;
    if (logits) {
      ids.forEach((_, row) => {
        const copy = logits.slice(row * vocab, (row + 1) * vocab);
        session.seen.push({ position: first + row, logits: copy, sampled: null });
      });
    }
    session.next = sampledId;
    if (sampledId === null) return;
    this.happened.samples += 1;
    const index = session.ids.length - session.prompt.length;
    const position = session.ids.length - 1;
    session.seen.push({ position, logits: null, sampled: { id: sampledId, index } });
  }

  /** Speculation that was wrong, or an older epoch: what comes after may be something else. */
  async #rollBack(session: Session): Promise<void> {
    await this.#compare(session);
    const keep = this.#random.below(session.ids.length + 1);
    this.#stage.truncateKv(session.kv, keep);
    this.happened.rollBacks += 1;
    const isInPrompt = keep < session.prompt.length;
    session.ids.length = keep;
    session.next = this.#random.below(SHAPE.vocab);
    if (isInPrompt && this.#random.chance(0.5)) {
      const changed = session.prompt.slice(keep).map((id) => (id + 1) % SHAPE.vocab);
      session.prompt = session.prompt.slice(0, keep).concat(changed);
    }
  }

  #keep(session: Session): void {
    const whole = Math.floor(session.ids.length / this.#stage.pagePositions);
    const first = this.#random.below(whole + 1);
    const keys = this.#keysOf(session.ids).slice(first, whole);
    must(this.#stage.prefixCache, 'the CPU stage has one').keep(session.kv, first, keys);
  }

  async #cancel(session: Session): Promise<void> {
    await this.#compare(session);
    this.#stage.closeKv(session.kv);
    this.#sessions = this.#sessions.filter((other) => other !== session);
    this.happened.cancels += 1;
  }

  /** Holds all that was seen of a session against one run of its ids alone. */
  async #compare({ ids, prompt, params, seen, ...session }: Session): Promise<void> {
    if (seen.length === 0) return;
    const { vocab } = SHAPE;
    const kv = this.#alone.openKv();
    const segment = { kv, firstPosition: 0, rows: ids.length, ids: Int32Array.from(ids) };
    const want = { kind: 'logits' } as const;
    const [result] = await this.#alone.step([{ ...segment, hidden: null, want }]);
    this.#alone.closeKv(kv);
    const expected = must(result?.logits, 'wanted');
    for (const { position, logits, sampled } of seen.splice(0)) {
      const right = expected.slice(position * vocab, (position + 1) * vocab);
      const where = `KV ${session.kv}, position ${position}`;
      if (logits && firstDifference(logits, right) !== -1) throw new Error(`other bits: ${where}`);
      if (!sampled) continue;
      const { id, index } = sampled;
      const answerIds = ids.slice(prompt.length, prompt.length + index);
      const history = historyFor({ sampling: params, grammar: null }, prompt, answerIds);
      const rightId = sample(right, params, { index, history });
      if (id !== rightId) throw new Error(`id ${id} and not ${rightId}: ${where}`);
    }
  }

  #checkLengths(): void {
    for (const { kv, ids } of this.#sessions) {
      const length = this.#stage.kvLength(kv);
      if (length !== ids.length) throw new Error(`KV ${kv} is ${length} long, not ${ids.length}`);
    }
    const held = this.#sessions.reduce(
      (sum, { ids }) => sum + Math.ceil(ids.length / this.#stage.pagePositions),
      0,
    );
    // Shared pages count once: fewer may be held than sessions have, never more.
    const free = this.#stage.pagesFree();
    if (free > PAGES || PAGES - free > held) throw new Error(`${free} pages free, ${held} in use`);
  }

  /** A key a page: all ids up to its end. */
  #keysOf(ids: readonly number[]): string[] {
    const { pagePositions } = this.#stage;
    return Array.from({ length: Math.floor(ids.length / pagePositions) }, (_, page) =>
      ids.slice(0, (page + 1) * pagePositions).join(),
    );
  }
}

function promptOf(family: number, member: number, random: Random): number[] {
  const common = FAMILY_COMMON[family] ?? 0;
  return Array.from({ length: 1 + random.below(100) }, (_, at) => {
    const kind = at < common ? family : 10 + 3 * family + member;
    return (at * 37 + kind * 11 + 5) % SHAPE.vocab;
  });
}

function paramsOf(random: Random): SamplingParams {
  if (random.chance(0.3)) return GREEDY;
  const penalties = { repetition: 1.3, presence: 0.2, frequency: 0.1, bias: [[3, 2] as const] };
  return {
    ...GREEDY,
    ...{ temperature: 0.5 + random.below(20) / 10, topK: random.below(20), seed: random.below(4) },
    penalties: random.chance(0.5) ? penalties : null,
  };
}
