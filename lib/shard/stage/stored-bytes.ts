import { partsOfRange, type LayerRange } from '#lib/webgpu/model.ts';
import { partOf, type Manifest } from '#lib/shard/package/manifest.ts';

/** Bytes of the parts that a range needs, as stored: what is downloaded, and about what it takes. */
export function storedBytes(manifest: Manifest, range: LayerRange): number {
  let bytes = 0;
  for (const key of partsOfRange(manifest.shape, range)) bytes += partOf(manifest, key).bytes;
  return bytes;
}
