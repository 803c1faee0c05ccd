import { Segment, range } from './range';

/*
 * A page holds `pagePositions` positions of all layers of the range, fp32. By layer, first keys,
 * then values; by kv head: keys [position / 4][headDim][4], so that a lane is a position, values
 * [position][headDim].
 */

/** Bytes of one head's keys, or values, of one page. */
@inline
export function headBytes(): usize {
  const r = range();
  return <usize>(r.pagePositions * r.headDim) * 4;
}

/** Offset of a layer's keys in a page; its values follow after all its heads' keys. */
@inline
export function layerOffset(layer: i32): usize {
  return <usize>(2 * layer * range().kvHeads) * headBytes();
}

/** Writes the rotated keys and the values of a segment's rows `from` to `to` to its pages. */
export function writeKv(segment: Segment, layer: i32, from: i32, to: i32): void {
  const r = range();
  const positions = r.pagePositions;
  const rowBytes = <usize>(r.kvHeads * r.headDim) * 4;
  for (let i = from; i < to; i++) {
    const position = segment.firstPosition + i;
    const page = load<usize>(segment.pages + <usize>(position / positions) * 4) + layerOffset(layer);
    const at = <usize>(segment.firstRow + i) * rowBytes;
    writeRow(r.k + at, r.v + at, page, position % positions);
  }
}

@inline
function writeRow(k: usize, v: usize, page: usize, slot: i32): void {
  const r = range();
  const width = <usize>r.headDim * 4;
  const keys = <usize>((slot >> 2) * r.headDim * 4 + (slot & 3)) * 4;
  const values = <usize>r.kvHeads * headBytes() + <usize>slot * width;
  for (let head = 0; head < r.kvHeads; head++, page += headBytes(), k += width, v += width) {
    for (let i: usize = 0; i < width; i += 4) {
      store<f32>(page + keys + i * 4, load<f32>(k + i));
    }
    memory.copy(page + values, v, width);
  }
}
