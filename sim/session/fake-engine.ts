import type { SessionId } from '#lib/kernel/ids.ts';
import { must } from '#lib/kernel/assert.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import { GREEDY, type SamplingParams, type TokenHistory } from '#lib/webgpu/sampling/params.ts';
import type { SamplePoint } from '#lib/webgpu/sampling/sample.ts';
import type { Sampled } from '#lib/webgpu/stage.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import type { KvOrder, RunResult, RunSegment } from '#lib/shard/stage/types.ts';
import { SimFailure } from './failure.ts';

/**
 * A model whose every number is a hash of all that it must depend on: a layer's output of its
 * input and of the KV of all earlier positions. One wrong, missing or doubled row anywhere gives
 * another token. Hidden rows are one 32-bit hash as two values of 16 bits, exact in fp32.
 */
export const FAKE_WIDTH = 2;
export const PAGE_POSITIONS = 4;
/** What the longest of these answers takes alone: admission refuses what a node can never hold. */
export const pagesOfLongest = (
  sessions: readonly { readonly promptIds: readonly number[]; readonly maxTokens: number }[],
): number =>
  Math.ceil(
    Math.max(...sessions.map((each) => each.promptIds.length + each.maxTokens)) / PAGE_POSITIONS,
  );
export const pageEnd = (page: number): number => (page + 1) * PAGE_POSITIONS;

export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}

export const embed = (id: number): number => mix(0x1d, id);
/** KV of a layer at one position, with all earlier ones hashed in. */
export const chain = (layer: number, before: number, hidden: number): number =>
  mix(mix(before, hidden), layer);
export const layerOut = (layer: number, link: number): number => mix(link, layer + 1000);
/**
 * `salt`: 0, or another for each epoch, as on GPUs, where a failover may change later ids (S9).
 * `said`: 0, or a hash of all that penalties look at (S8).
 */
export const sampleId = (
  hidden: number,
  draw: { seed: number; index: number; salt: number; said: number },
): number => {
  const word = mix(mix(mix(hidden, draw.seed), draw.index), draw.salt ^ draw.said);
  return draftsMaxOf(draw.seed) > 0 ? fewIds(draw.seed, word) : word % 1000;
};

/** Every third session guesses: as many ids a step as its seed says. */
export const draftsMaxOf = (seed: number): number =>
  Math.floor(seed / 4) % 3 === 1 ? 1 + (Math.floor(seed / 12) % RING.draftsMax) : 0;

const kindOf = (seed: number): number => Math.floor(seed / 96) % 3;

/** Of a session that guesses: the next seed of one that guesses as many ids, most often the same one. */
export const monotonous = (seed: number): number => seed + 96 * (2 - kindOf(seed));

/** Of two ids, of three, or most often the same one: some guesses come true, in rows of any length. */
function fewIds(seed: number, word: number): number {
  const kind = kindOf(seed);
  return kind === 2 ? Number(word % 6 === 0) : word % (2 + kind);
}

/** Every fourth session has penalties that look at the whole of prompt and answer. */
export const samplingOf = (seed: number): SamplingParams => {
  const penalties = { repetition: 2, presence: 0, frequency: 0, bias: [] };
  return { ...GREEDY, seed, penalties: seed % 4 === 3 ? penalties : null };
};

export function saidHash(sampling: SamplingParams, history: TokenHistory): number {
  if (!sampling.penalties) return 0;
  const prompt = [...history.promptIds].sort((a, b) => a - b);
  return [...prompt, ...history.answerIds].reduce(mix, prompt.length);
}

export const saltOf = (session: SessionId, epoch: number): number =>
  mix(parseInt(session.slice(-8), 16), epoch) | 1;

/** The whole model in one place: what every route must equal. */
export class WholeModel {
  private readonly links: number[];

  constructor(layers: number) {
    this.links = new Array<number>(layers).fill(0);
  }

  /** KV at the last position, of a range's layers. */
  linksOf({ first, last }: LayerRange): number[] {
    return this.links.slice(first, last + 1);
  }

  /** Appends one id; returns the hidden row that its successor is sampled from. */
  forward(id: number): number {
    let hidden = embed(id);
    for (const [layer, before] of this.links.entries()) {
      const link = chain(layer, before, hidden);
      this.links[layer] = link;
      hidden = layerOut(layer, link);
    }
    return hidden;
  }
}

/** A page that is found by its key, and whose it is (`shared-pages.ts`). */
interface KeptPage {
  readonly links: readonly number[][];
  readonly scope: string | null;
}

interface Kv {
  /** By position, then by layer of the range. */
  readonly links: number[][];
}

interface EngineOptions {
  readonly pagesMax: number;
  /** A page nobody uses was dropped to make room. */
  readonly onEvicted: () => void;
  /** Ids depend on the epoch they were sampled in. */
  readonly salted: boolean;
}

/** One shard's engine at a node; holds the contract of `RunSegment` and `kv` to the letter. */
export class FakeEngine {
  readonly range: LayerRange;
  readonly kvs = new Map<string, Kv>();
  /** Least recently used first; what is kept beyond the pages in use gives way. */
  private readonly kept = new Map<string, KeptPage>();
  private readonly options: EngineOptions;

  constructor(range: LayerRange, options: EngineOptions) {
    this.range = range;
    this.options = options;
  }

  order(op: Extract<KvOrder, { op: 'open' | 'truncate' | 'close' }>): void {
    const key = keyOf(op.session, op.place);
    const kv = this.kvs.get(key);
    if (op.op === 'open') {
      if (kv) throw new SimFailure('contract', `KV ${key} opened twice`);
      this.kvs.set(key, { links: [] });
      return;
    }
    if (!kv) throw new SimFailure('contract', `${op.op} of a KV that is not open: ${key}`);
    if (op.op === 'close') this.kvs.delete(key);
    else if (kv.links.length < op.length)
      throw new SimFailure('contract', `${key} cannot grow by a cut`);
    else kv.links.length = op.length;
  }

  /** An empty KV begins with kept pages. @returns whose each of them is. */
  share(op: Extract<KvOrder, { op: 'share' }>): (string | null)[] {
    const kv = this.openKv(op);
    if (kv.links.length > 0) throw new SimFailure('contract', 'only an empty KV shares');
    const scopes: (string | null)[] = [];
    for (const key of op.keys) {
      const page = this.kept.get(key);
      if (!page) break;
      this.kept.delete(key);
      this.kept.set(key, page);
      kv.links.push(...page.links);
      scopes.push(page.scope);
    }
    this.evict();
    return scopes;
  }

  keep(op: Extract<KvOrder, { op: 'keep' }>, scopes: ReadonlyMap<string, string | null>): void {
    const { links } = this.openKv(op);
    for (const [at, key] of op.keys.entries()) {
      const first = (op.firstPage + at) * PAGE_POSITIONS;
      const page = links.slice(first, first + PAGE_POSITIONS);
      if (page.length < PAGE_POSITIONS)
        throw new SimFailure('contract', 'a page that is not whole is kept');
      if (!this.kept.has(key)) this.kept.set(key, { links: page, scope: scopes.get(key) ?? null });
    }
    this.evict();
  }

  /** Whether the KV has these links at a position. */
  holds(of: Pick<KvOrder, 'session' | 'place'>, at: number, links: readonly number[]): boolean {
    const own = this.openKv(of).links[at];
    return own !== undefined && own.every((link, layer) => link === links[layer]);
  }

  private openKv({ session, place }: Pick<KvOrder, 'session' | 'place'>): Kv {
    const kv = this.kvs.get(keyOf(session, place));
    if (!kv) throw new SimFailure('contract', `a KV that is not open: ${keyOf(session, place)}`);
    return kv;
  }

  private pagesInUse(): number {
    let pages = 0;
    for (const { links } of this.kvs.values()) pages += Math.ceil(links.length / PAGE_POSITIONS);
    return pages;
  }

  private evict(): void {
    const most = Math.max(0, this.options.pagesMax - this.pagesInUse());
    for (const key of this.kept.keys()) {
      if (this.kept.size <= most) return;
      this.kept.delete(key);
      this.options.onEvicted();
    }
  }

  run(segments: readonly RunSegment[]): RunResult[] {
    const results = segments.map((segment) => this.segment(segment));
    const pages = this.pagesInUse();
    // Shared pages are counted by each who has them: more is in use only where some are shared.
    if (pages > this.options.pagesMax) throw new SimFailure('budget', `${pages} pages are in use`);
    this.evict();
    return results;
  }

  /** A run that failed half way: some rows were appended, and they are wrong. */
  spoil(segments: readonly RunSegment[]): void {
    for (const segment of segments.slice(0, 1)) {
      const kv = this.kvs.get(keyOf(segment.session, segment.place));
      kv?.links.push(Array.from({ length: this.range.last - this.range.first + 1 }, () => 1));
    }
  }

  private segment(segment: RunSegment): RunResult {
    const key = keyOf(segment.session, segment.place);
    const kv = this.kvs.get(key);
    if (!kv) throw new SimFailure('contract', `run on a KV that is not open: ${key}`);
    if (kv.links.length !== segment.firstPosition) {
      throw new SimFailure(
        'contract',
        `run at ${segment.firstPosition}, KV holds ${kv.links.length}`,
      );
    }
    const hidden = new Float32Array(segment.rows * FAKE_WIDTH);
    const outs: number[] = [];
    for (let row = 0; row < segment.rows; row += 1) {
      const out = this.row(kv, inputOf(segment, row));
      outs.push(out);
      hidden[row * FAKE_WIDTH] = out >>> 16;
      hidden[row * FAKE_WIDTH + 1] = out & 0xffff;
    }
    const { want } = segment;
    if (want.kind !== 'sample' && want.kind !== 'sample-rows')
      return { hidden: want.kind === 'hidden' ? hidden : null, sampled: [] };
    const points = want.kind === 'sample' ? [want] : want.points;
    if (want.kind === 'sample-rows' && points.length !== segment.rows)
      throw new SimFailure('contract', 'a point a row');
    const sampled = points.map((point, i) => {
      const out = must(outs.at(i - points.length), 'a row for each point');
      return this.sample(segment, { out, params: want.params, point });
    });
    return { hidden: null, sampled };
  }

  private sample(
    { session, epoch }: RunSegment,
    { out, params, point }: { out: number; params: SamplingParams; point: SamplePoint },
  ): Sampled {
    const salt = this.options.salted ? saltOf(session, epoch) : 0;
    const said = saidHash(params, point.history);
    return { id: sampleId(out, { seed: params.seed, index: point.index, salt, said }) };
  }

  private row(kv: Kv, input: number): number {
    const before = kv.links.at(-1) ?? [];
    const links: number[] = [];
    let hidden = input;
    for (let layer = this.range.first; layer <= this.range.last; layer += 1) {
      const link = chain(layer, before[layer - this.range.first] ?? 0, hidden);
      links.push(link);
      hidden = layerOut(layer, link);
    }
    kv.links.push(links);
    return hidden;
  }
}

const keyOf = (session: SessionId, slot: number): string => `s${parseInt(session, 16)}@${slot}`;

function inputOf(segment: RunSegment, row: number): number {
  if (segment.ids) {
    const id = segment.ids[row];
    if (id === undefined) throw new SimFailure('contract', 'an id a row');
    return embed(id);
  }
  const hidden = must(segment.hidden, 'ids or hidden rows');
  const high = must(hidden[row * FAKE_WIDTH], 'a value');
  return ((high << 16) | must(hidden[row * FAKE_WIDTH + 1], 'a value')) >>> 0;
}
