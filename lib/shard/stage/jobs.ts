import { FaultError } from '#lib/kernel/errors.ts';
import { knownAnswer } from '#lib/webgpu/known-answer.ts';
import type { EngineSource } from './engine-source.ts';
import type { HostJobName, HostJobs } from './host-protocol.ts';
import type { ShardLoader } from './shard-loader.ts';
import type { StageHost } from './stage-host.ts';
import { shardKey } from './types.ts';

export type JobHandlers = {
  readonly [Name in HostJobName]: (
    args: HostJobs[Name]['args'],
  ) => Promise<HostJobs[Name]['result']>;
};

export interface JobDoors {
  readonly host: StageHost;
  readonly loader: ShardLoader;
  readonly engine: EngineSource;
}

/** What the worker does on request, one answer each. Long ones let the ring go on between steps. */
export function jobHandlers({ host, loader, engine }: JobDoors): JobHandlers {
  return {
    model: ({ manifest }) => Promise.resolve(loader.addModel(manifest)),
    measure: ({ hash }) => {
      const manifest = loader.model(hash);
      return host.engines.exclusive(() => engine.measureCpu(manifest));
    },
    'measure-gpu': ({ hash, cpu, wish }) => {
      const manifest = loader.model(hash);
      return host.engines.exclusive(() => engine.measureGpu(manifest, cpu, wish));
    },
    engine: ({ use, memoryBytes, threads }) => {
      engine.use(use, { memoryBytes, threads });
      return Promise.resolve(null);
    },
    cached: ({ hash }) => loader.cachedRanges(hash),
    'has-room': (shard) => loader.hasRoom(shard),
    fetch: (order) => loader.fetch(order),
    load: async ({ hash, range, numerics }) => {
      const shard = shardKey(hash, range);
      await host.ensureShard({ type: 'load', shard, manifest: hash, range, numerics });
      return null;
    },
    unload: ({ keep }) => {
      host.unloadIdle(new Set(keep.map(({ hash, range }) => shardKey(hash, range))));
      return Promise.resolve(null);
    },
    'known-answer': async ({ hash, range, seed, rows }) => {
      const stage = host.engines.get(shardKey(hash, range));
      if (!stage) throw new FaultError('package/not-found', 'that range is not in memory');
      return host.engines.exclusive(() => knownAnswer(stage, seed, rows));
    },
  };
}
