import { beforeEach, expect, it, vi } from 'vitest';
import { FaultError } from '#lib/kernel/errors.ts';
import type { GpuDevice } from '#lib/webgpu/gpu/device.ts';
import { KvSlots } from '#lib/webgpu/gpu/kv-slots.ts';
import type { ModelShape } from '#lib/webgpu/model.ts';

const SHAPE = { kvHeads: 2, headDim: 16 } as ModelShape;
const LAYER_PAGE_BYTES = 4 * 2 * 16 * 64;

/** A GPU with so much memory: buffers are counted, copies written down. */
class FakeGpu {
  readonly #room: number;
  readonly alive = new Set<{ readonly size: number }>();
  readonly copies: number[][] = [];

  constructor(room: number) {
    this.#room = room;
  }

  bytes(): number {
    return [...this.alive].reduce((sum, { size }) => sum + size, 0);
  }

  asDevice(): GpuDevice {
    const device = {
      createBuffer: ({ size }: { size: number }) => {
        const buffer = { size, destroy: () => this.alive.delete(buffer) };
        this.alive.add(buffer);
        return buffer;
      },
      createCommandEncoder: () => ({
        copyBufferToBuffer: (...args: [object, number, object, number, number]) =>
          this.copies.push([args[1], args[3], args[4]]),
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

/** Two layers, so four buffers a session. */
const slotsOn = (gpu: FakeGpu): KvSlots =>
  new KvSlots(gpu.asDevice(), { shape: SHAPE, range: { first: 0, last: 1 }, pagePositions: 64 });

it('[D6] a slot has the pages that its length needs, and keeps what it held', async () => {
  const gpu = new FakeGpu(1e9);
  const slots = slotsOn(gpu);
  await slots.resize(new Map([[1, 64]]));
  expect(slots.slot(1).capacity).toBe(64);
  expect(gpu.copies).toEqual([]);
  await slots.resize(new Map([[1, 65]]));
  expect(slots.slot(1).capacity).toBe(128);
  expect(gpu.bytes()).toBe(4 * 2 * LAYER_PAGE_BYTES);
  expect(slots.bytes()).toBe(gpu.bytes());
  // Each head's 64 positions of 64 bytes move to where a head of 128 positions begins.
  const [firstHead, secondHead] = [
    [0, 0, 4096],
    [4096, 8192, 4096],
  ];
  expect(gpu.copies).toEqual(Array.from({ length: 4 }, () => [firstHead, secondHead]).flat());
  await slots.resize(new Map([[1, 0]]));
  expect(gpu.bytes()).toBe(0);
});

it('[D6] short of memory, every session keeps what it held, and what shrinks makes room', async () => {
  const gpu = new FakeGpu(4 * 4 * LAYER_PAGE_BYTES);
  const slots = slotsOn(gpu);
  await slots.resize(new Map([[1, 128]]));
  await slots.resize(new Map([[2, 64]]));
  const held = slots.slot(2);
  const growing = slots.resize(new Map([[2, 192]]));
  await expect(growing).rejects.toMatchObject({ code: 'engine/out-of-memory' });
  expect(slots.slot(2)).toBe(held);
  expect(gpu.bytes()).toBe(4 * 3 * LAYER_PAGE_BYTES);
  await slots.resize(
    new Map([
      [2, 192],
      [1, 0],
    ]),
  );
  expect(slots.slot(2).capacity).toBe(192);
  expect(gpu.bytes()).toBe(4 * 3 * LAYER_PAGE_BYTES);
});
