import type { ChunkStore } from '#lib/shard/package/store/chunk-store.ts';
import { Batch } from '#lib/kernel/batch.ts';
import { systemClock } from '#lib/kernel/ports.ts';
import { once } from '#lib/kernel/once.ts';
import type { StageThreads } from '#lib/webgpu/cpu/core.ts';
import type { GpuEngine } from '#lib/webgpu/gpu/gpu-engine.ts';
import { serveJobs } from '#lib/webgpu/worker/serve-jobs.ts';
import { openLinkPort } from '#lib/shard/mesh/link-port.ts';
import { httpChunkFetcher } from '#lib/shard/package/http-fetcher.ts';
import type { CpuEngineDoors } from './cpu-engine.ts';
import type { HostCommand, HostReport, WorkerStart } from './host-protocol.ts';
import { EngineSource } from './engine-source.ts';
import { jobHandlers } from './jobs.ts';
import { STAGE_HOST } from './limits.ts';
import { ShardLoader } from './shard-loader.ts';
import { StageHost } from './stage-host.ts';

/** What a tab's worker and a Node worker thread do each in their own way. */
export interface WorkerPlatform {
  readonly openStore: () => Promise<ChunkStore>;
  readonly loadKernels: CpuEngineDoors['loadKernels'];
  readonly startHelper: StageThreads['start'];
  /** Null where there is none. */
  readonly openGpu: ((serverUrl: string) => Promise<GpuEngine>) | null;
}

/** Joins host, loader and ports: all that an inference worker is. Returns at once. */
export function runStageWorker(start: WorkerStart, platform: WorkerPlatform): void {
  const reports = new Batch<HostReport>((items) => start.ring.postMessage(items));
  const report = (message: HostReport): void => reports.add(message);
  const store = once(platform.openStore);
  const { openGpu, loadKernels, startHelper } = platform;
  const engine = new EngineSource({
    ...{ loadKernels, startHelper, plan: start.threads },
    onThreads: (choice) => report({ type: 'threads', choice }),
    openGpu: openGpu && (() => openGpu(start.serverUrl)),
    memoryLentBytes: start.memoryLentBytes,
    onLost: (fault) => report({ type: 'failed', fault: fault.toWire() }),
  });
  const loader: ShardLoader = new ShardLoader({
    store,
    fetchChunk: httpChunkFetcher(start.serverUrl),
    factory: () => engine.factory(),
    memoryBytes: () => host.engines.memoryBytes(),
    memoryMaxBytes: () => engine.memoryBytes,
    onProgress: (progress) => report({ type: 'progress', progress }),
  });
  const host: StageHost = new StageHost({
    self: start.self,
    now: () => systemClock.now(),
    report,
    loadShard: (order) => loader.load(order),
    loadTokens: (hash) => loader.loadTokens(hash),
    openLink: openLinkPort,
    abortFetch: (purpose) => loader.abortFetch(purpose),
  });
  start.ring.onmessage = (event: MessageEvent<readonly HostCommand[]>) => {
    for (const command of event.data) host.command(command);
  };
  serveJobs(start.jobs, jobHandlers({ host, loader, engine }));
  setInterval(() => host.tick(), STAGE_HOST.tickEveryMs);
}
