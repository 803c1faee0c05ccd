import type { GpuDevice } from './device.ts';
import { GraphBuilder, tensorInfo } from './graph-builder.ts';
import { encodeModel } from './onnx/model.ts';
import type { OrtWorker, Session } from './ort.ts';

/**
 * A session that does nothing and is never released. ONNX Runtime keeps compiled shaders as long as
 * some session of the device lives: without this one, what measuring compiled is compiled again at
 * load, and each range anew where it is the only one. That costs seconds.
 */
export function createAnchor(gpu: GpuDevice, { ort, mutex }: OrtWorker): Promise<Session> {
  const build = new GraphBuilder();
  const x = tensorInfo('x', 'float32', ['rows']);
  build.op('Add', { name: 'y', inputs: ['x', 'x'] });
  const { graph } = build.finish('anchor', [x], [{ ...x, name: 'y' }]);
  const executionProviders = [{ name: 'webgpu', device: gpu.device } as const];
  return mutex.run(() => ort.InferenceSession.create(encodeModel(graph), { executionProviders }));
}
