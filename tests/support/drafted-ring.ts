import { fileURLToPath } from 'node:url';
import type { LayerRange } from '#lib/webgpu/model.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { manifestHash } from '#lib/shard/package/manifest.ts';
import { openPackageFolder } from '#lib/shard/package/server.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import { HostRing, type RingOptions } from './host-ring.ts';

export const EMBEDDED = fileURLToPath(
  new URL('../../public/models/smollm2-135m-instruct', import.meta.url),
);
export const TWO_PLACES: readonly LayerRange[] = [
  { first: 0, last: 16 },
  { first: 17, last: 29 },
];

/** A request's part that lets the last place guess. */
export const GUESSING = { draftsMax: RING.draftsMax } as const;

/** The embedded model in a ring of real hosts. */
export async function makeRing(
  ranges: readonly LayerRange[],
  options: Partial<RingOptions> & { readonly spares?: number } = {},
): Promise<HostRing> {
  const pack = await openPackageFolder(EMBEDDED);
  const factory = cpuStageFactory(await loadKernels());
  const { spares = 0, ...more } = options;
  return new HostRing(
    {
      ...{ hash: manifestHash(pack.manifest), ranges, numerics: 'int16', tokens: pack.tokenizer },
      chunkRows: 64,
      load: (order) =>
        factory({
          ...{ shape: pack.manifest.shape, range: order.range, numerics: order.numerics },
          ...{ kvBytesMax: 512e6, weights: pack.weights },
        }),
      ...more,
    },
    spares,
  );
}

export const stepsOf = (ring: HostRing): number[] =>
  ring.nodes.map(({ host }) => host.snapshot().steps);
