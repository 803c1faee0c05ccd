import { openGpuEngine, type GpuEngine } from '#lib/webgpu/gpu/gpu-engine.ts';
import type { GpuDevice } from '#lib/webgpu/gpu/device.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import type { StageImplementation } from '#tests/contract/stage/implementations.ts';

let engine: GpuEngine | null = null;

/** One engine for the worker, another once its device is gone. */
async function openEngine(): Promise<GpuEngine> {
  if (engine === null || engine.device.lostReason !== null) {
    engine = await openGpuEngine(location.origin);
  }
  return engine;
}

export const openDevice = async (): Promise<GpuDevice> => (await openEngine()).device;
export const gpuFactory = async (): Promise<StageFactory> =>
  (await openEngine()).factory('gpu-webgpu');

/** Stands in the place of `tests/contract/stage/implementations.ts` in a tab. */
export const IMPLEMENTATIONS: readonly StageImplementation[] = [
  // Both numerics are computed alike: one of them is enough.
  { name: 'gpu', factory: gpuFactory, numerics: ['exact'], class: 'tolerance' },
];
