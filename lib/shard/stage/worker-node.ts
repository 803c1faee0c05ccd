import { parentPort, workerData } from 'node:worker_threads';
import { must } from '#lib/kernel/assert.ts';
import { loadKernels, startHelper } from '#lib/webgpu/cpu/server.ts';
import { openFsChunkStore } from '#lib/shard/package/store/fs-store.ts';
import type { WorkerStart } from './host-protocol.ts';
import { runStageWorker } from './worker-main.ts';

export interface NodeWorkerData {
  /** Folder of chunks, shared by all nodes of this machine. */
  readonly cacheDir: string;
}

/** Entry of the inference worker thread of a Node volunteer; started by `worker-boot.mjs`. */
const { cacheDir } = workerData as NodeWorkerData;
must(parentPort, 'runs as a worker thread').once('message', (start: WorkerStart) => {
  const openStore = () => openFsChunkStore(cacheDir);
  runStageWorker(start, { openStore, loadKernels, startHelper, openGpu: null });
});
