import { invariant, must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { checkStep } from '../cpu/check-step.ts';
import { CPU_LIMITS } from '../cpu/limits.ts';
import { hasHead, type LayerRange, type ModelShape, type Numerics } from '../model.ts';
import type {
  KvId,
  PrefixCache,
  Segment,
  SegmentResult,
  Stage,
  StageFactory,
  StageOptions,
} from '../stage.ts';
import { checkBuffers, checkShape, kvPositionBytes } from './check-shape.ts';
import { decoderGraph } from './decoder-graph.ts';
import type { GpuDevice } from './device.ts';
import { ELEMENT_BYTES, type Precision } from './graph-builder.ts';
import { GraphRunner } from './graph-runner.ts';
import { LogitsReader } from './head/logits-reader.ts';
import { KvGroups } from './kv/kv-groups.ts';
import { planGroups, type GroupLimits } from './kv/plan-groups.ts';
import { SlotPages } from './kv/slot-pages.ts';
import { GPU_LIMITS } from './limits.ts';
import { loadWeights } from './load-weights.ts';
import type { OrtWorker } from './ort.ts';
import { StepRunner, type Placed } from './step-runner.ts';

/** Bytes of one KV page: keys and values of all layers of the range. */
export function kvPageBytes(shape: ModelShape, range: LayerRange, precision: Precision): number {
  const layers = range.last - range.first + 1;
  return 2 * layers * kvPositionBytes(shape, precision) * GPU_LIMITS.pagePositions;
}

/**
 * The factory of stages on the GPU: weights as stored, activations, keys and values in `precision`,
 * whatever the numerics. A row's values depend on the shader that its run got, within the tolerance
 * of rule W1: never mixed with what must be equal bits.
 * @throws FaultError `engine/unsupported`, `engine/out-of-memory`, `engine/lost`, `package/…`.
 */
export const gpuStageFactory =
  (gpu: GpuDevice, ort: OrtWorker, precision: Precision): StageFactory =>
  async (options) => {
    const { shape, range, kvBytesMax } = options;
    checkShape(shape, range);
    const pagesMax = Math.floor(kvBytesMax / kvPageBytes(shape, range, precision));
    if (pagesMax < 1) throw new FaultError('engine/out-of-memory', 'no room for one KV page');
    const contextPages = Math.ceil(shape.contextMax / GPU_LIMITS.pagePositions);
    const positions = Math.min(pagesMax, contextPages) * GPU_LIMITS.pagePositions;
    const weights = await loadWeights(options);
    const built = decoderGraph({
      ...{ shape, range, weights, precision },
      // A row that nobody reads comes after a full session's last.
      positions: positions + 1,
    });
    const fileBytes = built.files.map(({ data }) => data.length);
    const kvBytes = positions * kvPositionBytes(shape, precision);
    checkBuffers(gpu.device.limits, [kvBytes, ...fileBytes]);
    const reader = hasHead(shape, range) ? await LogitsReader.create(gpu, shape.vocab) : null;
    const runner = await GraphRunner.create({ shape, range, precision, gpu, ort, built });
    const { embedding } = weights;
    const weightBytes = fileBytes.reduce((sum, bytes) => sum + bytes, 0);
    const heldBytes = weightBytes + (embedding?.bytes.length ?? 0);
    const { pagePositions } = GPU_LIMITS;
    const groups = new KvGroups(gpu, {
      shape,
      range,
      pagePositions,
      elementBytes: ELEMENT_BYTES[precision],
    });
    const steps = new StepRunner({ shape, runner, groups, reader, embedding });
    const limits = groupLimits(gpu, { positionBytes: kvPositionBytes(shape, precision), pagesMax });
    return new GpuStage(options, { gpu, runner, groups, steps, limits, heldBytes });
  };

function groupLimits(
  { device: { limits } }: GpuDevice,
  { positionBytes, pagesMax }: { positionBytes: number; pagesMax: number },
): GroupLimits {
  const { pagePositions, slotsMax, growPositions } = GPU_LIMITS;
  const bufferBytes = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const bufferPositionsMax = Math.floor(bufferBytes / positionBytes);
  return { pagePositions, pagesMax, slotsMax, growPositions, bufferPositionsMax };
}

interface Parts {
  readonly gpu: GpuDevice;
  readonly runner: GraphRunner;
  readonly groups: KvGroups;
  readonly steps: StepRunner;
  readonly limits: GroupLimits;
  /** Bytes of weights, on the GPU and here. */
  readonly heldBytes: number;
}

class GpuStage implements Stage {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly numerics: Numerics;
  readonly rowsMax = CPU_LIMITS.stepRowsMax;
  readonly warmUpRows = GPU_LIMITS.warmUpRows;
  readonly warmUpSessions = GPU_LIMITS.warmUpSessions;
  readonly pagePositions = GPU_LIMITS.pagePositions;
  readonly pagesMax: number;
  readonly prefixCache: PrefixCache = {
    share: (kv, keys) => this.#kv.share(kv, keys),
    keep: (kv, firstPage, keys) => this.#kv.keep(kv, firstPage, keys),
  };
  readonly #parts: Parts;
  readonly #kv: SlotPages;
  #stepping = false;
  #lost = false;

  constructor({ shape, range, numerics }: StageOptions, parts: Parts) {
    this.shape = shape;
    this.range = range;
    this.numerics = numerics;
    this.pagesMax = parts.limits.pagesMax;
    this.#parts = parts;
    this.#kv = new SlotPages(this.pagePositions, this.pagesMax);
  }

  pagesFree(): number {
    return this.#kv.pagesFree();
  }

  memoryBytes(): number {
    return this.#parts.heldBytes + this.#parts.groups.bytes();
  }

  openKv(): KvId {
    return this.#kv.open();
  }

  kvLength(kv: KvId): number {
    return this.#kv.length(kv);
  }

  /** Pages count as free at once; the GPU's memory follows when the next step needs room. */
  truncateKv(kv: KvId, length: number): void {
    this.#kv.truncate(kv, length);
  }

  closeKv(kv: KvId): void {
    this.#kv.close(kv);
    // While a step runs its buffers may be in use.
    if (!this.#stepping) this.#sweep();
  }

  async step(segments: readonly Segment[]): Promise<SegmentResult[]> {
    invariant(!this.#stepping, 'one step at a time');
    if (this.#lost) throw new FaultError('engine/lost', 'this stage is gone');
    this.#parts.gpu.check();
    checkStep({ shape: this.shape, range: this.range, kv: this.#kv }, segments);
    this.#stepping = true;
    try {
      return await this.#stepNow(segments);
    } catch (cause) {
      if (cause instanceof FaultError && cause.code === 'engine/out-of-memory') throw cause;
      this.#lost = true;
      throw cause;
    } finally {
      this.#stepping = false;
      if (this.#lost) this.#release();
      else this.#sweep();
    }
  }

  dispose(): void {
    if (this.#lost) return;
    this.#lost = true;
    if (!this.#stepping) this.#release();
  }

  async #stepNow(segments: readonly Segment[]): Promise<SegmentResult[]> {
    const placed = new Map(
      segments.map((segment): [number, Placed] => {
        const slot = this.#kv.slotOf(segment.kv);
        return [slot, { slot, segment }];
      }),
    );
    // Before memory is made: what only keys still hold gives way.
    for (const { kv, rows } of segments) this.#kv.append(kv, rows);
    const runs = await this.#arrange(placed).catch((cause: unknown) => {
      for (const { kv, firstPosition } of segments) this.#kv.truncate(kv, firstPosition);
      throw cause;
    });
    const results = new Map<Segment, SegmentResult>();
    for (const run of runs) {
      const parts = run.map((slot) => must(placed.get(slot), 'a run is of this step'));
      const given = await this.#run(parts);
      parts.forEach(({ segment }, i) => results.set(segment, must(given[i], 'a result each')));
    }
    return segments.map((segment) => must(results.get(segment), 'every segment is run'));
  }

  /** Brings the slots where the step's runs want them. @returns the runs. */
  async #arrange(placed: ReadonlyMap<number, Placed>): Promise<readonly (readonly number[])[]> {
    const { groups, limits } = this.#parts;
    const rows = new Map([...placed].map(([slot, { segment }]) => [slot, segment.rows]));
    const plan = planGroups({ groups: groups.groups(), held: this.#kv.held(), rows, limits });
    await groups.arrange(plan.groups, this.#kv.shares());
    this.#kv.shared();
    return plan.runs;
  }

  async #run(parts: readonly Placed[]): Promise<SegmentResult[]> {
    const { groups, steps } = this.#parts;
    const first = must(parts[0], 'a run has rows');
    if (groups.groupOf(first.slot).members.length === 1) return [await steps.alone(first)];
    const lengths = this.#kv.held();
    return steps.together(parts, (slot) => lengths.get(slot) ?? 0);
  }

  /** Frees what neither a session nor a key holds any more. */
  #sweep(): void {
    this.#parts.groups.sweep(new Set(this.#kv.held().keys()));
  }

  #release(): void {
    this.#parts.groups.dispose();
    // A session that cannot be released any more belongs to a lost device: nobody waits for it.
    void this.#parts.runner.release().catch(() => undefined);
  }
}
