import { FaultError } from '#lib/kernel/errors.ts';
import type { StageFactory } from '../stage.ts';
import { createAnchor } from './anchor.ts';
import { GpuDevice } from './device.ts';
import { gpuStageFactory } from './gpu-stage.ts';
import { loadOrt } from './ort.ts';

/** A GPU of this worker, ready to make stages on. */
export interface GpuEngine {
  readonly device: GpuDevice;
  readonly factory: StageFactory;
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
    return { device, factory: gpuStageFactory(device, ort, 'float32') };
  } catch (cause) {
    device.dispose();
    throw new FaultError('package/fetch-failed', 'ONNX Runtime could not be loaded', { cause });
  }
}
