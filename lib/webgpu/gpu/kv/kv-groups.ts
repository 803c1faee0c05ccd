import { must } from '#lib/kernel/assert.ts';
import type { LayerRange, ModelShape } from '../../model.ts';
import type { GpuDevice } from '../device.ts';
import type { Group } from './plan-groups.ts';
import type { PageShare, SlotId } from './slot-pages.ts';

/** Keys and values of a group: two buffers a layer, [slots, kvHeads, capacity, headDim] each. */
export interface KvGroup {
  readonly id: number;
  readonly capacity: number;
  /** Who lies in which slot. */
  readonly members: readonly (SlotId | null)[];
  /** [layers × 2]: the keys of the first layer, its values, … */
  readonly buffers: readonly GPUBuffer[];
}

interface MadeGroup extends KvGroup {
  members: (SlotId | null)[];
}

interface Place {
  readonly group: MadeGroup;
  readonly index: number;
}

/** Positions from `first` on, from one place to another. */
interface Copy {
  readonly from: Place;
  readonly to: Place;
  readonly first: number;
  readonly count: number;
}

export interface KvGroupsOptions {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly pagePositions: number;
  /** Of one key or value. */
  readonly elementBytes: number;
}

/** The GPU memory of slots, group by group: made, copied and freed as a plan says. */
export class KvGroups {
  readonly #gpu: GpuDevice;
  readonly #heads: number;
  readonly #positionBytes: number;
  readonly #buffersEach: number;
  readonly #pagePositions: number;
  readonly #groups = new Map<number, MadeGroup>();
  readonly #places = new Map<SlotId, Place>();
  #nextId = 1;

  constructor(gpu: GpuDevice, { shape, range, pagePositions, elementBytes }: KvGroupsOptions) {
    this.#gpu = gpu;
    this.#heads = shape.kvHeads;
    this.#positionBytes = elementBytes * shape.headDim;
    this.#buffersEach = 2 * (range.last - range.first + 1);
    this.#pagePositions = pagePositions;
  }

  /** As they stand, for a plan. */
  groups(): readonly KvGroup[] {
    return [...this.#groups.values()];
  }

  /** The group that a slot lies in. */
  groupOf(slot: SlotId): KvGroup {
    return must(this.#places.get(slot), `slot ${slot} has memory`).group;
  }

  /** Bytes on the GPU. */
  bytes(): number {
    let bytes = 0;
    for (const group of this.#groups.values()) bytes += this.#bytesOf(group);
    return bytes;
  }

  /**
   * Brings every slot where the plan has it; what it holds stays. Then copies shared pages. Old buffers
   * are freed by the GPU once the copies are done.
   * @throws FaultError `engine/out-of-memory`: every slot keeps what it held; `engine/lost`.
   */
  async arrange(planned: readonly Group[], shares: readonly PageShare[]): Promise<void> {
    const changes = planned
      .map((group) => ({ group, growth: this.#growth(group) }))
      .filter(({ group }) => this.#changes(group))
      // What shrinks goes first: its memory may be what the others need.
      .sort((a, b) => a.growth - b.growth);
    for (const { group } of changes) await this.#make(group);
    await this.#copyPages(shares);
  }

  /** Frees the memory of slots that are not among `held`; no run may be using it. */
  sweep(held: ReadonlySet<SlotId>): void {
    for (const slot of [...this.#places.keys()]) if (!held.has(slot)) this.#leave(slot);
  }

  dispose(): void {
    this.sweep(new Set());
  }

  #changes({ id, capacity, members }: Group): boolean {
    const made = id === null ? null : this.#groups.get(id);
    if (made?.capacity !== capacity) return true;
    return members.some((slot, i) => slot !== null && made.members[i] !== slot);
  }

  #growth({ id, capacity, members }: Group): number {
    const old = id === null ? 0 : must(this.#groups.get(id), 'a plan knows its groups').capacity;
    return members.length * (capacity - old);
  }

  /** A group as planned: the one that is there with more slots in use, or buffers of its own. */
  async #make({ id, capacity, members }: Group): Promise<void> {
    const old = id === null ? undefined : this.#groups.get(id);
    const stays = old?.capacity === capacity;
    const group = stays ? old : await this.#create(capacity, members.length);
    const moves = members.flatMap((slot, index) => {
      const from = slot === null ? undefined : this.#places.get(slot);
      return slot === null || (from?.group === group && from.index === index)
        ? []
        : [{ slot, from, to: { group, index } }];
    });
    await this.#submitCopies(
      moves.flatMap(({ from, to }) => {
        if (!from) return [];
        return { from, to, first: 0, count: Math.min(from.group.capacity, capacity) };
      }),
    );
    for (const { slot, to } of moves) {
      this.#leave(slot);
      group.members[to.index] = slot;
      this.#places.set(slot, to);
    }
  }

  async #create(capacity: number, slots: number): Promise<MadeGroup> {
    const size = slots * this.#heads * capacity * this.#positionBytes;
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
    const members = Array.from({ length: slots }, () => null);
    const group: MadeGroup = { id: this.#nextId, capacity, members, buffers };
    this.#nextId += 1;
    this.#groups.set(group.id, group);
    return group;
  }

  /** Its place is free; a group that nobody is in goes. */
  #leave(slot: SlotId): void {
    const place = this.#places.get(slot);
    if (!place) return;
    this.#places.delete(slot);
    const { group, index } = place;
    group.members[index] = null;
    if (group.members.some((member) => member !== null)) return;
    this.#groups.delete(group.id);
    for (const buffer of group.buffers) buffer.destroy();
  }

  async #copyPages(shares: readonly PageShare[]): Promise<void> {
    const count = this.#pagePositions;
    await this.#submitCopies(
      shares.map(({ from, to, page }) => {
        return { from: this.#place(from), to: this.#place(to), first: page * count, count };
      }),
    );
  }

  #place(slot: SlotId): Place {
    return must(this.#places.get(slot), `slot ${slot} has memory`);
  }

  async #submitCopies(copies: readonly Copy[]): Promise<void> {
    if (copies.length === 0) return;
    const { device } = this.#gpu;
    const between = await this.#scratchFor(copies);
    const encoder = device.createCommandEncoder();
    for (const copy of copies) this.#copy(encoder, copy, between);
    device.queue.submit([encoder.finish()]);
    between?.destroy();
  }

  /** Room for a head's positions of the longest copy inside a group; null where there is none such. */
  async #scratchFor(copies: readonly Copy[]): Promise<GPUBuffer | null> {
    const inside = copies.filter(({ from, to }) => from.group === to.group);
    if (inside.length === 0) return null;
    const size = Math.max(...inside.map(({ count }) => count)) * this.#positionBytes;
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return this.#gpu.withinMemory(() => this.#gpu.device.createBuffer({ size, usage }));
  }

  /**
   * Each head's positions lie together, `capacity` of them. A buffer is never copied to itself, not
   * even elsewhere (WebGPU, copyBufferToBuffer): inside a group they go by way of `between`.
   */
  #copy(
    encoder: GPUCommandEncoder,
    { from, to, first, count }: Copy,
    between: GPUBuffer | null,
  ): void {
    const startOf = ({ group, index }: Place, head: number): number =>
      ((index * this.#heads + head) * group.capacity + first) * this.#positionBytes;
    const size = count * this.#positionBytes;
    from.group.buffers.forEach((buffer, i) => {
      const target = must(to.group.buffers[i], 'groups of a stage have the same layers');
      for (let head = 0; head < this.#heads; head += 1) {
        const [start, targetStart] = [startOf(from, head), startOf(to, head)];
        if (buffer === target && between) {
          encoder.copyBufferToBuffer(buffer, start, between, 0, size);
          encoder.copyBufferToBuffer(between, 0, target, targetStart, size);
        } else {
          encoder.copyBufferToBuffer(buffer, start, target, targetStart, size);
        }
      }
    });
  }

  #bytesOf({ capacity, members }: KvGroup): number {
    return members.length * capacity * this.#heads * this.#positionBytes * this.#buffersEach;
  }
}
