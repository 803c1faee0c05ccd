import { partsOfRange, type LayerRange } from '#lib/webgpu/model.ts';
import { partOf, rangeRefs, type Manifest } from '#lib/shard/package/manifest.ts';

/** Bytes of the parts that a range needs, as stored: about what it takes in memory. */
export function storedBytes(manifest: Manifest, range: LayerRange): number {
  let bytes = 0;
  for (const key of partsOfRange(manifest.shape, range)) bytes += partOf(manifest, key).bytes;
  return bytes;
}

/** Bytes that a node fetches for a range: its parts, and the tokenizer with the last. */
export const fetchedBytes = (manifest: Manifest, range: LayerRange): number =>
  rangeRefs(manifest, range).reduce((sum, { bytes }) => sum + bytes, 0);
