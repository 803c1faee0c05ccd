import { beforeEach, expect, it, vi } from 'vitest';
import { FaultError } from '#lib/kernel/errors.ts';
import type { GpuDevice } from '#lib/webgpu/gpu/device.ts';
import { KvGroups } from '#lib/webgpu/gpu/kv/kv-groups.ts';
import type { Group } from '#lib/webgpu/gpu/kv/plan-groups.ts';
import type { ModelShape } from '#lib/webgpu/model.ts';

const HEADS = 2;
const SHAPE = { kvHeads: HEADS, headDim: 16 } as ModelShape;
const POSITION_BYTES = 4 * 16;
const LAYER_PAGE_BYTES = POSITION_BYTES * HEADS * 64;

interface FakeBuffer {
  readonly size: number;
  readonly bytes: Uint8Array;
  destroy(): void;
}

type CopyArguments = [FakeBuffer, number, FakeBuffer, number, number];

/** A GPU with so much memory: buffers are counted, copies made at once. */
class FakeGpu {
  readonly #room: number;
  readonly alive = new Set<FakeBuffer>();

  constructor(room = 1e9) {
    this.#room = room;
  }

  bytes(): number {
    return [...this.alive].reduce((sum, { size }) => sum + size, 0);
  }

  copy(...[from, at, to, start, n]: CopyArguments): void {
    expect(this.alive.has(from) && this.alive.has(to)).toBe(true);
    // WebGPU refuses it, wherever in the buffer.
    expect(from === to).toBe(false);
    expect(at + n <= from.size && start + n <= to.size).toBe(true);
    to.bytes.set(from.bytes.subarray(at, at + n), start);
  }

  asDevice(): GpuDevice {
    const device = {
      createBuffer: ({ size }: { size: number }) => {
        const bytes = new Uint8Array(size);
        const buffer = { size, bytes, destroy: () => this.alive.delete(buffer) };
        this.alive.add(buffer);
        return buffer;
      },
      createCommandEncoder: () => ({
        copyBufferToBuffer: (...args: CopyArguments) => {
          this.copy(...args);
        },
        finish: () => null,
      }),
      queue: { submit: () => undefined },
    };
    const withinMemory = (work: () => unknown): Promise<unknown> => {
      const result = work();
      if (this.bytes() <= this.#room) return Promise.resolve(result);
      return Promise.reject(new FaultError('engine/out-of-memory', 'full'));
    };
    return { device, withinMemory } as unknown as GpuDevice;
  }
}

beforeEach(() => {
  vi.stubGlobal('GPUBufferUsage', { STORAGE: 1, COPY_SRC: 2, COPY_DST: 4 });
});

/** Two layers, so four buffers a group. */
const groupsOn = (gpu: FakeGpu): KvGroups =>
  new KvGroups(gpu.asDevice(), {
    ...{ shape: SHAPE, range: { first: 0, last: 1 }, pagePositions: 64, elementBytes: 4 },
  });

const alone = (slot: number, capacity: number, id: number | null = null): Group => {
  return { id, capacity, members: [slot] };
};

/** First byte of each head's position in a slot's last buffer. */
function byteAt(groups: KvGroups, slot: number, position: number): Uint8Array[] {
  const { members, capacity, buffers } = groups.groupOf(slot);
  const { bytes } = buffers.at(-1) as unknown as FakeBuffer;
  return Array.from({ length: HEADS }, (_, head) => {
    const row = (members.indexOf(slot) * HEADS + head) * capacity + position;
    return bytes.subarray(row * POSITION_BYTES, (row + 1) * POSITION_BYTES);
  });
}

/** The first head gets the value, the next one more. */
const write = (groups: KvGroups, slot: number, at: { position: number; value: number }): void => {
  byteAt(groups, slot, at.position).forEach((bytes, head) => bytes.fill(at.value + head));
};
const read = (groups: KvGroups, slot: number, position: number): number[] =>
  byteAt(groups, slot, position).map((bytes) => bytes[POSITION_BYTES - 1] ?? NaN);

it('[D6] a slot has the pages that its length needs, and keeps what it held', async () => {
  const gpu = new FakeGpu();
  const groups = groupsOn(gpu);
  await groups.arrange([alone(1, 64)], []);
  write(groups, 1, { position: 63, value: 7 });
  const { id } = groups.groupOf(1);
  await groups.arrange([alone(1, 128, id)], []);
  expect(gpu.bytes()).toBe(4 * 2 * LAYER_PAGE_BYTES);
  expect(groups.bytes()).toBe(gpu.bytes());
  expect(read(groups, 1, 63)).toEqual([7, 8]);
  groups.sweep(new Set());
  expect(gpu.bytes()).toBe(0);
});

it('[D10] slots come to lie together and go apart again, with what they held', async () => {
  const gpu = new FakeGpu();
  const groups = groupsOn(gpu);
  await groups.arrange([alone(1, 64), alone(2, 128), alone(3, 64)], []);
  for (const slot of [1, 2, 3]) write(groups, slot, { position: 60, value: 10 * slot });
  await groups.arrange(
    [{ id: null, capacity: 256, members: [1, 2, null, null] }, alone(3, 64, 3)],
    [],
  );
  const { id } = groups.groupOf(1);
  expect(groups.groupOf(2).id).toBe(id);
  await groups.arrange([{ id, capacity: 256, members: [1, 2, 3, null] }], []);
  expect([1, 2, 3].map((slot) => read(groups, slot, 60)[1])).toEqual([11, 21, 31]);
  expect(gpu.bytes()).toBe(4 * 4 * 4 * LAYER_PAGE_BYTES);
  await groups.arrange([alone(2, 128), { id, capacity: 256, members: [1, null, 3, null] }], []);
  expect(groups.groupOf(1).members).toEqual([1, null, 3, null]);
  expect([1, 2, 3].map((slot) => read(groups, slot, 60)[0])).toEqual([10, 20, 30]);
  groups.sweep(new Set([2]));
  expect(gpu.bytes()).toBe(4 * 2 * LAYER_PAGE_BYTES);
});

it('[W8] shared pages are copied, each to the same positions', async () => {
  const gpu = new FakeGpu();
  const groups = groupsOn(gpu);
  await groups.arrange([alone(1, 192)], []);
  for (const position of [0, 64, 128]) write(groups, 1, { position, value: position + 1 });
  const { id } = groups.groupOf(1);
  const shares = [0, 1].map((page) => ({ from: 1, to: 2, page }));
  await groups.arrange([alone(1, 192, id), alone(2, 128)], shares);
  expect([0, 64].map((position) => read(groups, 2, position)[1])).toEqual([2, 66]);
});

it('[W8] pages are copied between slots of one group, too, and nothing is left of the way', async () => {
  const gpu = new FakeGpu();
  const groups = groupsOn(gpu);
  await groups.arrange([{ id: null, capacity: 256, members: [1, 2] }], []);
  const { id } = groups.groupOf(1);
  for (const position of [63, 64, 128]) write(groups, 1, { position, value: position });
  const before = gpu.bytes();
  const share = { from: 1, to: 2, page: 1 };
  await groups.arrange([{ id, capacity: 256, members: [1, 2] }], [share]);
  expect([63, 64, 128].map((position) => read(groups, 2, position)[1])).toEqual([0, 65, 0]);
  expect(gpu.bytes()).toBe(before);
});

it('[D6] short of memory, every slot keeps what it held, and what shrinks makes room', async () => {
  const gpu = new FakeGpu(4 * 4 * LAYER_PAGE_BYTES);
  const groups = groupsOn(gpu);
  await groups.arrange([alone(1, 128)], []);
  await groups.arrange([alone(1, 128, 1), alone(2, 64)], []);
  write(groups, 2, { position: 5, value: 9 });
  const held = groups.groupOf(2);
  const growing = groups.arrange([alone(1, 128, 1), alone(2, 192, 2)], []);
  await expect(growing).rejects.toMatchObject({ code: 'engine/out-of-memory' });
  expect(groups.groupOf(2)).toBe(held);
  expect(gpu.bytes()).toBe(4 * 3 * LAYER_PAGE_BYTES);
  groups.sweep(new Set([2]));
  await groups.arrange([alone(2, 192, 2)], []);
  expect(read(groups, 2, 5)).toEqual([9, 10]);
  expect(gpu.bytes()).toBe(4 * 3 * LAYER_PAGE_BYTES);
});
