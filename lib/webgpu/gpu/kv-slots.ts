import { must } from '#lib/kernel/assert.ts';
import type { LayerRange, ModelShape } from '../model.ts';
import type { KvId } from '../stage.ts';
import type { GpuDevice } from './device.ts';

/** Keys and values of one session: two buffers a layer, [kvHeads, capacity, headDim] fp32 each. */
export interface KvSlot {
  /** Positions each buffer has room for. */
  readonly capacity: number;
  /** [layers × 2]: the keys of the first layer, its values, … */
  readonly buffers: readonly GPUBuffer[];
}

const NO_ROOM: KvSlot = { capacity: 0, buffers: [] };

export interface KvSlotsOptions {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly pagePositions: number;
}

/** The GPU memory of sessions: as many whole pages as each one's length needs. */
export class KvSlots {
  readonly #gpu: GpuDevice;
  readonly #heads: number;
  readonly #positionBytes: number;
  readonly #buffersEach: number;
  readonly #pagePositions: number;
  readonly #slots = new Map<KvId, KvSlot>();

  constructor(gpu: GpuDevice, { shape, range, pagePositions }: KvSlotsOptions) {
    this.#gpu = gpu;
    this.#heads = shape.kvHeads;
    this.#positionBytes = 4 * shape.headDim;
    this.#buffersEach = 2 * (range.last - range.first + 1);
    this.#pagePositions = pagePositions;
  }

  slot(kv: KvId): KvSlot {
    return must(this.#slots.get(kv), `session ${kv} has a slot`);
  }

  /** Bytes on the GPU. */
  bytes(): number {
    let positions = 0;
    for (const { capacity } of this.#slots.values()) positions += capacity;
    return positions * this.#heads * this.#positionBytes * this.#buffersEach;
  }

  /**
   * Gives each session the whole pages that its length needs; what it holds of them stays. Old
   * buffers are freed by the GPU once the copies are done.
   * @throws FaultError `engine/out-of-memory`: every session keeps what it held; `engine/lost`.
   */
  async resize(lengths: ReadonlyMap<KvId, number>): Promise<void> {
    const changes = [...lengths].flatMap(([kv, length]) => {
      const old = this.#slots.get(kv) ?? NO_ROOM;
      const capacity = Math.ceil(length / this.#pagePositions) * this.#pagePositions;
      return capacity === old.capacity ? [] : [{ kv, old, capacity }];
    });
    if (changes.length === 0) return;
    // What shrinks goes first: its memory may be what the others need.
    changes.sort((a, b) => a.capacity - a.old.capacity - (b.capacity - b.old.capacity));
    for (const { kv, old, capacity } of changes) {
      const made = capacity === 0 ? NO_ROOM : await this.#create(capacity);
      this.#copy(old, made);
      this.#replace(kv, made);
    }
  }

  /** Frees a session's memory; no run may be using it. */
  free(kv: KvId): void {
    this.#replace(kv, NO_ROOM);
  }

  dispose(): void {
    for (const kv of [...this.#slots.keys()]) this.free(kv);
  }

  #replace(kv: KvId, slot: KvSlot): void {
    for (const buffer of this.#slots.get(kv)?.buffers ?? []) buffer.destroy();
    if (slot.capacity === 0) this.#slots.delete(kv);
    else this.#slots.set(kv, slot);
  }

  async #create(capacity: number): Promise<KvSlot> {
    const size = this.#heads * capacity * this.#positionBytes;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffers: GPUBuffer[] = [];
    try {
      await this.#gpu.withinMemory(() => {
        for (let i = 0; i < this.#buffersEach; i += 1) {
          buffers.push(this.#gpu.device.createBuffer({ size, usage }));
        }
      });
    } catch (cause) {
      for (const buffer of buffers) buffer.destroy();
      throw cause;
    }
    return { capacity, buffers };
  }

  /** Each head's positions lie together, `capacity` of them: they move when it changes. */
  #copy(from: KvSlot, to: KvSlot): void {
    const positions = Math.min(from.capacity, to.capacity);
    if (positions === 0) return;
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    const bytes = positions * this.#positionBytes;
    from.buffers.forEach((buffer, i) => {
      const target = must(to.buffers[i], 'slots of a session have the same layers');
      for (let head = 0; head < this.#heads; head += 1) {
        const start = head * from.capacity * this.#positionBytes;
        const targetStart = head * to.capacity * this.#positionBytes;
        encoder.copyBufferToBuffer(buffer, start, target, targetStart, bytes);
      }
    });
    device.queue.submit([encoder.finish()]);
  }
}
