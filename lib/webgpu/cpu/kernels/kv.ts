import { Segment, range } from './range';
import { writeRowInt16 } from './kv-int16';

/*
 * A page holds `pagePositions` positions of all layers of the range. By layer, first keys, then
 * values; of each the kv heads, `headStride` apart: between them lie those of other pages. A head's part of a page, fp32: keys [position /
 * 4][headDim][4], so that a lane is a position, values [position][headDim]. int16: see `kv-int16.ts`.
 */

/** Bytes of one position of a head's keys, or values, with its scale. */
@inline
export function rowBytes(): usize {
  const r = range();
  return r.int16 ? <usize>r.headDim * 2 + 4 : <usize>r.headDim * 4;
}

/** Bytes of the scales at the beginning of a head's part of a page. */
@inline
export function scalesBytes(): usize {
  return range().int16 ? <usize>range().pagePositions * 4 : 0;
}

/** Offset of a layer's keys in a page; its values follow after all its heads' keys. */
@inline
export function layerOffset(layer: i32): usize {
  return <usize>(2 * layer * range().kvHeads) * range().headStride;
}

/** Offset of a head's values from its keys. */
@inline
export function valuesOffset(): usize {
  return <usize>range().kvHeads * range().headStride;
}

/** Writes the rotated keys and the values of a segment's rows `from` to `to` to its pages. */
export function writeKv(segment: Segment, layer: i32, from: i32, to: i32): void {
  const r = range();
  const positions = r.pagePositions;
  const bytes = <usize>(r.kvHeads * r.headDim) * 4;
  for (let i = from; i < to; i++) {
    const position = segment.firstPosition + i;
    const page = load<usize>(segment.pages + <usize>(position / positions) * 4) + layerOffset(layer);
    const at = <usize>(segment.firstRow + i) * bytes;
    if (r.int16) writeRowInt16(r.k + at, r.v + at, page, position % positions);
    else writeRow(r.k + at, r.v + at, page, position % positions);
  }
}

@inline
function writeRow(k: usize, v: usize, page: usize, slot: i32): void {
  const r = range();
  const width = <usize>r.headDim * 4;
  const keys = <usize>((slot >> 2) * r.headDim * 4 + (slot & 3)) * 4;
  const values = valuesOffset() + <usize>slot * width;
  for (let head = 0; head < r.kvHeads; head++, page += r.headStride, k += width, v += width) {
    for (let i: usize = 0; i < width; i += 4) {
      store<f32>(page + keys + i * 4, load<f32>(k + i));
    }
    memory.copy(page + values, v, width);
  }
}
