import { FaultError } from '#lib/kernel/errors.ts';
import type { GpuEngineName } from '../model.ts';
import type { StageFactory } from '../stage.ts';
import { createAnchor } from './anchor.ts';
import { GpuDevice } from './device.ts';
import { gpuStageFactory } from './gpu-stage.ts';
import type { Precision } from './graph-builder.ts';
import { loadOrt } from './ort.ts';

export const PRECISION: Readonly<Record<GpuEngineName, Precision>> = {
  'gpu-webgpu': 'float32',
  'gpu-webgpu-f16': 'float16',
};

/** A GPU of this worker, ready to make stages on. */
export interface GpuEngine {
  readonly device: GpuDevice;
  /** What it can compute in, the quickest first. */
  readonly names: readonly GpuEngineName[];
  /** Stages of `exact` numerics compute in 32 bits, whatever the engine. */
  factory(name: GpuEngineName): StageFactory;
}

/**
 * The GPU engine of a worker; ONNX Runtime's files come from `serverUrl` (an origin).
 * @throws FaultError `engine/unsupported` where there is no GPU: no byte is fetched then;
 *   `package/fetch-failed`.
 */
export async function openGpuEngine(serverUrl: string): Promise<GpuEngine> {
  const device = await GpuDevice.open();
  try {
    const ort = await loadOrt((version) => `${serverUrl}/ort/${version}/`);
    await createAnchor(device, ort);
    // Without the feature a session in 16 bits is made, and fails at its first run.
    const hasHalf = device.device.features.has('shader-f16');
    return {
      device,
      names: hasHalf ? ['gpu-webgpu-f16', 'gpu-webgpu'] : ['gpu-webgpu'],
      factory: (name) => (options) => {
        const precision = options.numerics === 'exact' ? 'float32' : PRECISION[name];
        return gpuStageFactory(device, ort, precision)(options);
      },
    };
  } catch (cause) {
    device.dispose();
    throw new FaultError('package/fetch-failed', 'ONNX Runtime could not be loaded', { cause });
  }
}
