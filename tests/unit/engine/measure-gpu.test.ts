import { expect, it } from 'vitest';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { measureGpu } from '#lib/webgpu/capability/measure-gpu.ts';
import type { GpuEngine } from '#lib/webgpu/gpu/gpu-engine.ts';
import type { GpuEngineName } from '#lib/webgpu/model.ts';
import type { Stage, StageFactory } from '#lib/webgpu/stage.ts';
import { cpuFactory } from '#tests/support/engine.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

const SHAPE = tinyShape({ contextMax: 256 });
const BOTH = ['gpu-webgpu-f16', 'gpu-webgpu'] as const;

/** A GPU that computes as the processor does, but for what is off by so much of the largest. */
async function gpuOf(names: readonly GpuEngineName[], off: Partial<Record<GpuEngineName, number>>) {
  const cpu = await cpuFactory();
  const asked: string[] = [];
  const limits = { maxStorageBufferBindingSize: 2 ** 30, maxBufferSize: 2 ** 30 };
  const gpu = {
    device: { device: { limits }, allocatableBytes: (most: number) => Promise.resolve(most) },
    names,
    factory: (name: GpuEngineName): StageFactory => {
      return async (options) => {
        asked.push(`${name} ${options.numerics}`);
        return moved(await cpu({ ...options, numerics: 'exact' }), off[name] ?? 0);
      };
    },
  };
  return { asked, gpu: gpu as unknown as GpuEngine };
}

const moved = (stage: Stage, by: number): Stage =>
  new Proxy(stage, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (key !== 'step') return value.bind(target) as unknown;
      return async (...args: Parameters<Stage['step']>) => {
        const results = await target.step(...args);
        for (const { logits } of results) {
          const most = (logits ?? new Float32Array()).reduce(
            (top, x) => Math.max(top, Math.abs(x)),
            0,
          );
          logits?.forEach((x, i) => (logits[i] = x + by * most));
        }
        return results;
      };
    },
  });

async function found(names: readonly GpuEngineName[], off: Partial<Record<GpuEngineName, number>>) {
  const { gpu, asked } = await gpuOf(names, off);
  const finding = await measureGpu({
    ...{ gpu, kernels: await loadKernels(), hopelessMs: Infinity, memoryLentBytes: 2 ** 20 },
    piece: { shape: SHAPE, typeOf: () => 'Q8_0', numerics: 'exact' },
  });
  return { finding, asked: [...new Set(asked)] };
}

it('[P4] a GPU computes in 16 bits where it has them and is right within what they are good for', async () => {
  const { finding, asked } = await found(BOTH, { 'gpu-webgpu-f16': 1e-2 });
  expect(finding).toMatchObject({ kind: 'sound', engine: 'gpu-webgpu-f16' });
  // Stages of `exact` numerics would compute in 32 bits.
  expect(asked).toEqual(['gpu-webgpu-f16 int16']);
});

it('[P4] wrong in 16 bits, it is tried in 32; wrong there, too, it is not used', async () => {
  const half = await found(BOTH, { 'gpu-webgpu-f16': 3e-2 });
  expect(half.finding).toMatchObject({ kind: 'sound', engine: 'gpu-webgpu' });
  expect(half.asked).toEqual(['gpu-webgpu-f16 int16', 'gpu-webgpu exact']);
  const wrong = await found(BOTH, { 'gpu-webgpu-f16': 3e-2, 'gpu-webgpu': 3e-3 });
  expect(wrong.finding).toEqual({ kind: 'refused', reason: 'device.gpu_wrong' });
});
