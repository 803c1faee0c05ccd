import { GpuDevice } from '#lib/webgpu/gpu/device.ts';
import { gpuStageFactory } from '#lib/webgpu/gpu/gpu-stage.ts';
import { loadOrt } from '#lib/webgpu/gpu/ort.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import type { StageImplementation } from '#tests/contract/stage/implementations.ts';
import { ORT_PATH } from './paths.ts';

let device: GpuDevice | null = null;

/** One device for the worker, another once that is gone. */
export async function openDevice(): Promise<GpuDevice> {
  if (device === null || device.lostReason !== null) device = await GpuDevice.open();
  return device;
}

export async function gpuFactory(): Promise<StageFactory> {
  const ort = await loadOrt(() => new URL(ORT_PATH, location.origin).href);
  return gpuStageFactory(await openDevice(), ort);
}

/** Stands in the place of `tests/contract/stage/implementations.ts` in a tab. */
export const IMPLEMENTATIONS: readonly StageImplementation[] = [
  // Both numerics are computed alike: one of them is enough.
  { name: 'gpu', factory: gpuFactory, numerics: ['exact'], class: 'tolerance' },
];
