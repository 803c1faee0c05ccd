import { invariant, must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { checkStep } from '../cpu/check-step.ts';
import { CPU_LIMITS } from '../cpu/limits.ts';
import { PagedKv } from '../cpu/paged-kv.ts';
import type { LayerRange, ModelShape, Numerics } from '../model.ts';
import type { KvId, Segment, SegmentResult, Stage, StageFactory, StageOptions } from '../stage.ts';
import { checkBuffers, checkShape, kvBufferBytes } from './check-shape.ts';
import { decoderGraph } from './decoder-graph.ts';
import type { GpuDevice } from './device.ts';
import { GraphRunner } from './graph-runner.ts';
import { KvSlots } from './kv-slots.ts';
import { GPU_LIMITS } from './limits.ts';
import { loadWeights } from './load-weights.ts';
import type { OrtWorker } from './ort.ts';
import { SegmentRunner } from './segment-runner.ts';

/** Bytes of one KV page: keys and values, fp32, of all layers of the range. */
export function kvPageBytes(shape: ModelShape, range: LayerRange): number {
  const layers = range.last - range.first + 1;
  return 2 * layers * kvBufferBytes(shape, GPU_LIMITS.pagePositions);
}

/**
 * The factory of stages on the GPU. Both numerics are computed alike: weights as stored,
 * activations fp32. A row's values depend on the shader that its run got, within the tolerance of
 * rule W1: never mixed with what must be equal bits.
 * @throws FaultError `engine/unsupported`, `engine/out-of-memory`, `engine/lost`, `package/…`.
 */
export const gpuStageFactory =
  (gpu: GpuDevice, ort: OrtWorker): StageFactory =>
  async (options) => {
    const { shape, range, kvBytesMax } = options;
    checkShape(shape, range);
    const pagesMax = Math.floor(kvBytesMax / kvPageBytes(shape, range));
    if (pagesMax < 1) throw new FaultError('engine/out-of-memory', 'no room for one KV page');
    const contextPages = Math.ceil(shape.contextMax / GPU_LIMITS.pagePositions);
    const positions = Math.min(pagesMax, contextPages) * GPU_LIMITS.pagePositions;
    const weights = await loadWeights(options);
    const built = decoderGraph({ shape, range, weights, positions });
    const fileBytes = built.files.map(({ data }) => data.length);
    checkBuffers(gpu.device.limits, [kvBufferBytes(shape, positions), ...fileBytes]);
    const runner = await GraphRunner.create({ shape, range, gpu, ort, built });
    const { embedding } = weights;
    const weightBytes = fileBytes.reduce((sum, bytes) => sum + bytes, 0);
    const heldBytes = weightBytes + (embedding?.bytes.length ?? 0);
    const slots = new KvSlots(gpu, { shape, range, pagePositions: GPU_LIMITS.pagePositions });
    const segments = new SegmentRunner({ shape, range, runner, slots, embedding });
    return new GpuStage(options, { gpu, runner, slots, segments, pagesMax, heldBytes });
  };

interface Parts {
  readonly gpu: GpuDevice;
  readonly runner: GraphRunner;
  readonly slots: KvSlots;
  readonly segments: SegmentRunner;
  readonly pagesMax: number;
  /** Bytes of weights, on the GPU and here. */
  readonly heldBytes: number;
}

class GpuStage implements Stage {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly numerics: Numerics;
  readonly rowsMax = CPU_LIMITS.stepRowsMax;
  readonly warmUpRows = GPU_LIMITS.warmUpRows;
  readonly pagePositions = GPU_LIMITS.pagePositions;
  readonly pagesMax: number;
  readonly #parts: Parts;
  readonly #kv: PagedKv;
  readonly #open = new Set<KvId>();
  /** Closed while a step ran: its buffers may still be in use. */
  readonly #closing = new Set<KvId>();
  #stepping = false;
  #lost = false;

  constructor({ shape, range, numerics }: StageOptions, parts: Parts) {
    this.shape = shape;
    this.range = range;
    this.numerics = numerics;
    this.pagesMax = parts.pagesMax;
    this.#parts = parts;
    this.#kv = new PagedKv(this.pagePositions, this.pagesMax);
  }

  pagesFree(): number {
    return this.#kv.pagesFree();
  }

  memoryBytes(): number {
    return this.#parts.heldBytes + this.#parts.slots.bytes();
  }

  openKv(): KvId {
    const kv = this.#kv.open();
    this.#open.add(kv);
    return kv;
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
    this.#open.delete(kv);
    if (this.#stepping) this.#closing.add(kv);
    else this.#parts.slots.free(kv);
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
      for (const kv of this.#closing) this.#parts.slots.free(kv);
      this.#closing.clear();
      if (this.#lost) this.#release();
    }
  }

  dispose(): void {
    if (this.#lost) return;
    this.#lost = true;
    if (!this.#stepping) this.#release();
  }

  async #stepNow(segments: readonly Segment[]): Promise<SegmentResult[]> {
    await this.#parts.slots.resize(this.#lengthsAfter(segments));
    for (const { kv, rows } of segments) this.#kv.append(kv, rows);
    const results: SegmentResult[] = [];
    for (const segment of segments) results.push(await this.#parts.segments.run(segment));
    return results;
  }

  /** Positions that each open session holds after the step. */
  #lengthsAfter(segments: readonly Segment[]): Map<KvId, number> {
    const lengths = new Map([...this.#open].map((kv) => [kv, this.#kv.length(kv)]));
    for (const { kv, rows } of segments) {
      lengths.set(kv, must(lengths.get(kv), `session ${kv} is open`) + rows);
    }
    return lengths;
  }

  #release(): void {
    this.#parts.slots.dispose();
    // A session that cannot be released any more belongs to a lost device: nobody waits for it.
    void this.#parts.runner.release().catch(() => undefined);
  }
}
