import { statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import wrtc from '@roamhq/wrtc';
import { FaultError } from '#lib/kernel/errors.ts';
import { THREADS } from '#lib/webgpu/capability/limits.ts';
import { loadIdentity, newNodeKeys } from '#lib/shard/mesh/identity.ts';
import { collectedWebRtc, fileKeyStore } from '#lib/shard/mesh/server.ts';
import type { NodeWorkerData } from '#lib/shard/stage/worker-node.ts';
import { NODE } from './limits.ts';
import { fileMeasurements } from './measurements-server.ts';
import { NodeRuntime } from './node-runtime.ts';
import type { NodePlatform, WorkerHandle } from './platform.ts';
import type { Volunteer } from './volunteer-port.ts';

export interface NodeVolunteerOptions {
  readonly serverUrl: string;
  /** Identity, measurements and the cache of chunks live here. */
  readonly dataDir: string;
  readonly memoryLentBytes: number | null;
  /** Threads that compute; null: as many as pay, a core less than there are at most. */
  readonly threads: number | null;
  readonly relayOnly: boolean;
  /** Takes a server whose certificate nobody signed. */
  readonly insecure: boolean;
}

/** The node of a process: the tab's runtime and worker, over files and `@roamhq/wrtc`. */
export const createNodeVolunteer = (options: NodeVolunteerOptions): Volunteer =>
  new NodeRuntime(processPlatform(options), {
    ...options,
    power: THREADS.powerUsual,
    keepAwake: false,
    engine: 'measured',
  });

/** The doors of a process, apart from the runtime that goes through them. */
export const processPlatform = ({ dataDir, insecure }: NodeVolunteerOptions): NodePlatform => ({
  kind: 'node',
  device: deviceName(),
  findGpu: () => Promise.resolve(null),
  cores: availableParallelism(),
  isolated: true,
  memoryLentBytes: Math.min(Math.max(totalmem() / 4, NODE.memoryLentMin), NODE.memoryLentMax),
  measurements: fileMeasurements(join(dataDir, 'measurements.json')),
  keys: async () => newNodeKeys(await loadIdentity(fileKeyStore(join(dataDir, 'identity.key')))),
  storageBytes: async () => {
    const disk = await statfs(dataDir).catch(() => null);
    return disk ? disk.bavail * disk.bsize : 0;
  },
  startWorker: () => startWorker({ cacheDir: join(dataDir, 'cache') }),
  holdPresence: () => () => undefined,
  alone: (work) => work(),
  wrtc: collectedWebRtc(wrtc, { afterMs: NODE.collectAfterMs }),
  insecure,
});

function deviceName(): string {
  const cores = availableParallelism();
  return `Node ${process.versions.node} · ${cores} ${cores === 1 ? 'core' : 'cores'}`;
}

function startWorker(workerData: NodeWorkerData): WorkerHandle {
  const worker = new Worker(new URL('../stage/worker-boot.mjs', import.meta.url), { workerData });
  return {
    postMessage: (message, transfer) =>
      worker.postMessage(message, transfer as Parameters<Worker['postMessage']>[1]),
    onLost(listener) {
      const lost = (message: string) => listener(new FaultError('engine/lost', message).toWire());
      worker.on('error', (error) => lost(error instanceof Error ? error.message : String(error)));
      worker.on('exit', (status) => lost(`the worker ended with ${status}`));
    },
    terminate: () => void worker.terminate(),
  };
}
