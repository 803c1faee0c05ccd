import { loadKernels, startHelper } from '#lib/webgpu/cpu/browser.ts';
import { openGpuEngine } from '#lib/webgpu/gpu/gpu-engine.ts';
import { openOpfsChunkStore } from '#lib/shard/package/browser.ts';
import type { WorkerStart } from './host-protocol.ts';
import { runStageWorker } from './worker-main.ts';

/** Entry of a tab's inference worker. A classic worker under Turbopack: no top-level await. */
self.onmessage = (event: MessageEvent<WorkerStart>) => {
  self.onmessage = null;
  runStageWorker(event.data, {
    ...{ openStore: openOpfsChunkStore, loadKernels, startHelper, openGpu: openGpuEngine },
  });
};
