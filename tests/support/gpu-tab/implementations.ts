import { openGpuEngine, type GpuEngine } from '#lib/webgpu/gpu/gpu-engine.ts';
import type { GpuDevice } from '#lib/webgpu/gpu/device.ts';
import type { GpuEngineName } from '#lib/webgpu/model.ts';
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
export const engineNames = async (): Promise<readonly GpuEngineName[]> =>
  (await openEngine()).names;
export const gpuFactory = async (name: GpuEngineName = 'gpu-webgpu'): Promise<StageFactory> =>
  (await openEngine()).factory(name);

/** Stands in the place of `tests/contract/stage/implementations.ts` in a tab. */
export const IMPLEMENTATIONS: readonly StageImplementation[] = [
  { name: 'gpu', factory: () => gpuFactory(), numerics: ['exact'], class: 'tolerance' },
  // Run where a GPU has them.
  {
    ...{ name: 'gpu in 16 bits', numerics: ['int16'], class: 'half' },
    factory: () => gpuFactory('gpu-webgpu-f16'),
  },
];
