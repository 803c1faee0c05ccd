import { describe, expect, it } from 'vitest';
import { PLACEMENT } from '#lib/shard/placement/limits.ts';
import { cpuStageFactory, CPU_LIMITS } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { freeBytes } from '#lib/webgpu/free-bytes.ts';
import { BLOCK, TENSOR_TYPES, partsOfRange, type WeightSource } from '#lib/webgpu/model.ts';
import { readAhead } from '#lib/webgpu/read-ahead.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

const SHAPE = tinyShape({ layers: 6, tiedEmbeddings: false });
const RANGE = { first: 0, last: SHAPE.layers - 1 };

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

async function load(weights: WeightSource) {
  const factory = cpuStageFactory(await loadKernels());
  return factory({ shape: SHAPE, range: RANGE, numerics: 'int16', kvBytesMax: 2 ** 22, weights });
}

describe('loading weights', () => {
  const source = syntheticWeights(SHAPE, () => 'Q8_0');

  it('[W6] a part is released once it is packed, and few lie in memory', async () => {
    const held = new Set<string>();
    const released: string[] = [];
    let most = 0;
    await load({
      async part(key) {
        held.add(key);
        most = Math.max(most, held.size);
        await turn();
        return source.part(key);
      },
      release(key) {
        expect(held.delete(key)).toBe(true);
        released.push(key);
      },
    });
    expect(released).toEqual(partsOfRange(SHAPE, RANGE));
    expect(most).toBe(CPU_LIMITS.partsAheadMax + 1);
  });

  it('[W6] a part that cannot be read fails the load, after every read has ended', async () => {
    let reading = 0;
    const broken = load({
      async part(key) {
        reading += 1;
        await turn();
        if (key !== 'layer/1') await turn();
        reading -= 1;
        if (key === 'layer/1') throw new Error('this part is gone');
        return source.part(key);
      },
    });
    await expect(broken).rejects.toThrow('this part is gone');
    expect(reading).toBe(0);
  });
});

describe.each(TENSOR_TYPES)('weights in %s', (type) => {
  it('[W7] take little more memory than storage', async () => {
    const { values, bytes } = BLOCK[type];
    const memoryOf = async (vocab: number): Promise<number> => {
      const shape = { ...SHAPE, vocab };
      const range = { first: 0, last: 0 };
      const weights = syntheticWeights(shape, () => type);
      const factory = cpuStageFactory(await loadKernels());
      const stage = await factory({
        shape,
        range,
        numerics: 'int16',
        kvBytesMax: 2 ** 16,
        weights,
      });
      return stage.memoryBytes();
    };
    const rows = 1024;
    const packed = (await memoryOf(rows + 4)) - (await memoryOf(4));
    const stored = (rows * SHAPE.hidden * bytes) / values;
    expect(packed / stored).toBeLessThanOrEqual(PLACEMENT.weightFactor);
    expect(packed / stored).toBeGreaterThanOrEqual(1);
  });
});

describe('reading ahead', () => {
  const numbers = [0, 1, 2, 3, 4];
  const collect = async (items: AsyncIterable<number>): Promise<number[]> => {
    const all: number[] = [];
    for await (const item of items) all.push(item);
    return all;
  };

  it.each([0, 1, 2, 9])('[W6] with %d ahead keeps the order', async (ahead) => {
    let running = 0;
    let most = 0;
    const read = async (n: number): Promise<number> => {
      running += 1;
      most = Math.max(most, running);
      for (let wait = n % 2 ? 1 : 4; wait > 0; wait -= 1) await turn();
      running -= 1;
      return n * n;
    };
    expect(await collect(readAhead(numbers, ahead, read))).toEqual([0, 1, 4, 9, 16]);
    expect(most).toBe(Math.min(ahead + 1, numbers.length));
  });
});

describe('freeing bytes', () => {
  it('[W6] empties an array of its own, and leaves a view of a shared one', () => {
    const own = new Uint8Array(100);
    freeBytes(own);
    expect(own.length).toBe(0);
    const shared = new Uint8Array(100).fill(3);
    freeBytes(shared.subarray(0, 50));
    expect(shared.every((byte) => byte === 3)).toBe(true);
  });
});
