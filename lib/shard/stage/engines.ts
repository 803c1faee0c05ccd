import { invariant, must, unreachable } from '#lib/kernel/assert.ts';
import type { KvId, Sampled, SegmentResult, Stage } from '#lib/webgpu/stage.ts';
import type { KvOrder, RunResult, RunSegment, StageOutput } from './types.ts';

type RunOrder = Extract<StageOutput, { type: 'run' }>;

interface Engine {
  readonly stage: Stage;
  /** KV of a session at a place of its route: a node may hold several places (S6). */
  readonly kvs: Map<string, KvId>;
}

const kvKey = (of: { session: string; place: number }): string => `${of.session}/${of.place}`;

/** The loaded shards of this worker by `shardKey`, and the KV of every session in them. */
export class Engines {
  readonly #engines = new Map<string, Engine>();
  #tail: Promise<unknown> = Promise.resolve();

  get(shard: string): Stage | null {
    return this.#engines.get(shard)?.stage ?? null;
  }

  add(shard: string, stage: Stage): void {
    invariant(!this.#engines.has(shard), 'a shard is loaded once');
    this.#engines.set(shard, { stage, kvs: new Map() });
  }

  /** True where a session holds KV in it. */
  inUse(shard: string): boolean {
    return (this.#engines.get(shard)?.kvs.size ?? 0) > 0;
  }

  remove(shard: string): void {
    this.#engines.get(shard)?.stage.dispose();
    this.#engines.delete(shard);
  }

  shards(): string[] {
    return [...this.#engines.keys()];
  }

  memoryBytes(): number {
    return this.#sum((stage) => stage.memoryBytes());
  }

  pagesFree(): number {
    return this.#sum((stage) => stage.pagesFree());
  }

  /** KV pages that sessions hold; those kept for whoever asks for the same prompt count as free. */
  pagesHeld(): number {
    return this.#sum((stage) => stage.pagesMax - stage.pagesFree());
  }

  /** @returns the KV's length where the order asks for it (`share`), else null. */
  applyKv(order: KvOrder): number | null {
    const engine = this.#engines.get(order.shard);
    // The core may forget KV of a shard that went away with it.
    if (!engine) return null;
    const key = kvKey(order);
    if (order.op === 'open') {
      invariant(!engine.kvs.has(key), 'a place has one KV');
      engine.kvs.set(key, engine.stage.openKv());
      return null;
    }
    const kv = engine.kvs.get(key);
    return kv === undefined ? null : applyTo(engine, { key, kv }, order);
  }

  /** @throws FaultError `engine/no-pages` or `engine/lost`; nothing has changed then. */
  async run(order: RunOrder): Promise<RunResult[]> {
    const engine = must(this.#engines.get(order.shard), 'a run names a loaded shard');
    const segments = order.segments.map((segment) => ({
      kv: must(engine.kvs.get(kvKey(segment)), 'a run names an open KV'),
      ...pickSegment(segment),
    }));
    const results = await this.exclusive(() => engine.stage.step(segments));
    return results.map((result) => ({ hidden: result.hidden, sampled: sampledOf(result) }));
  }

  /** One engine call at a time in a worker: overlapping ones hang or crash WebGPU sessions. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work, work);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  #sum(of: (stage: Stage) => number): number {
    let total = 0;
    for (const { stage } of this.#engines.values()) total += of(stage);
    return total;
  }
}

function applyTo(
  { stage, kvs }: Engine,
  { key, kv }: { readonly key: string; readonly kv: KvId },
  order: KvOrder,
): number | null {
  switch (order.op) {
    case 'share':
      return stage.prefixCache?.share(kv, order.keys) ?? 0;
    case 'keep':
      stage.prefixCache?.keep(kv, order.firstPage, order.keys);
      return null;
    case 'truncate':
      stage.truncateKv(kv, order.length);
      return null;
    case 'close':
      stage.closeKv(kv);
      kvs.delete(key);
      return null;
    case 'open':
      return null;
    default:
      return unreachable(order);
  }
}

const sampledOf = ({ sampled, sampledId, logprobs }: SegmentResult): readonly Sampled[] =>
  sampled ?? (sampledId === null ? [] : [{ id: sampledId, ...(logprobs && { logprobs }) }]);

const pickSegment = ({ firstPosition, rows, ids, hidden, want }: RunSegment) => ({
  firstPosition,
  rows,
  ids,
  hidden,
  want,
});
