import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LayerRange, Numerics } from '#lib/webgpu/model.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { manifestHash } from '#lib/shard/package/manifest.ts';
import { openPackageFolder, type OpenPackage } from '#lib/shard/package/server.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { HostRing } from './host-ring.ts';

const FOLDER = fileURLToPath(
  new URL('../../../public/models/smollm2-135m-instruct', import.meta.url),
);

let pack: OpenPackage;
let factory: StageFactory;
let ring: HostRing | null = null;
beforeAll(async () => {
  pack = await openPackageFolder(FOLDER);
  factory = cpuStageFactory(await loadKernels());
});
afterEach(() => {
  ring?.end();
  ring = null;
});

function makeRing(ranges: readonly LayerRange[], spares = 0, numerics: Numerics = 'int16') {
  ring = new HostRing(
    {
      ...{ hash: manifestHash(pack.manifest), ranges, numerics },
      load: (order) =>
        factory({
          ...{ shape: pack.manifest.shape, range: order.range, numerics: order.numerics },
          ...{ kvBytesMax: 64e6, weights: pack.weights },
        }),
    },
    spares,
  );
  return ring;
}

const row = goldenRow('capital');

describe('hosts in a ring', () => {
  it('one host alone gives the golden ids', async () => {
    const made = makeRing([{ first: 0, last: 29 }]);
    const ids = await made.answer({ promptIds: row.promptIds, maxTokens: row.greedyIds.length });
    expect(ids).toEqual(row.greedyIds);
  });

  it('two hosts give the golden ids, count steps, and are free afterwards', async () => {
    const made = makeRing([
      { first: 0, last: 16 },
      { first: 17, last: 29 },
    ]);
    const ids = await made.answer({ promptIds: row.promptIds, maxTokens: row.greedyIds.length });
    expect(ids).toEqual(row.greedyIds);
    for (const { host, faults } of made.nodes) {
      const snapshot = host.snapshot();
      expect(snapshot.sessions).toBe(0);
      expect(snapshot.steps).toBeGreaterThanOrEqual(row.greedyIds.length);
      expect(faults).toEqual([]);
      host.unloadIdle(new Set());
      expect(host.engines.shards()).toEqual([]);
    }
  });
});
