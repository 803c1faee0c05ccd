import { httpChunkFetcher } from '#lib/shard/package/http-fetcher.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { storedWeights } from '#lib/shard/package/stored-weights.ts';
import { loadKernels } from '#lib/webgpu/cpu/browser.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { findGpu } from '#lib/webgpu/gpu/find-gpu.ts';
import { openGpuEngine } from '#lib/webgpu/gpu/gpu-engine.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import { isRealGpu } from '#tests/support/gpu-tab/real-gpu.ts';
import { batchMs, compareLogits, copyBandwidth, timesOf, type GpuMeasured } from './measure.ts';

export type GpuReply =
  | { readonly adapter: string | null; readonly measured: GpuMeasured | null }
  | { readonly error: string };

/** Takes the package's manifest; the answer is a `GpuReply`. */
self.onmessage = (event: MessageEvent<Manifest>): void => {
  measureAll(event.data).then(
    (reply) => {
      self.postMessage(reply);
    },
    (error: unknown) => {
      self.postMessage({ error: String(error) });
    },
  );
};

async function measureAll(manifest: Manifest): Promise<GpuReply> {
  const adapter = await findGpu();
  if (!isRealGpu(adapter)) return { adapter, measured: null };
  const { origin } = self.location;
  const { shape } = manifest;
  const reader = { store: memoryChunkStore(), fetchChunk: httpChunkFetcher(origin) };
  const load = (factory: StageFactory, numerics: 'exact' | 'int16') =>
    factory({
      ...{ shape, numerics, kvBytesMax: 2 ** 28, range: { first: 0, last: shape.layers - 1 } },
      weights: storedWeights(manifest, reader),
    });
  const engine = await openGpuEngine(origin);
  const cpuFactory = cpuStageFactory(await loadKernels());
  const [name = 'gpu-webgpu'] = engine.names;
  const gpu = await load(engine.factory(name), name === 'gpu-webgpu-f16' ? 'int16' : 'exact');
  const exact = await load(cpuFactory, 'exact');
  const compared = await compareLogits(gpu, exact);
  exact.dispose();
  const cpu = await load(cpuFactory, 'int16');
  const measured = {
    ...compared,
    engine: name,
    gpu: await timesOf(gpu),
    batchMs: [await batchMs(gpu, 8), await batchMs(gpu, 16)] as const,
    cpu: await timesOf(cpu),
    bandwidthBytesPerMs: await copyBandwidth(engine.device),
    bytesPerToken: gpu.memoryBytes(),
  };
  return { adapter, measured };
}
