import { Segment, range } from './range';
import { attendExact } from './attention-exact';
import { attendInt16 } from './attention-int16';
import { layerOffset } from './kv';
import { positionsSeen, useQueries } from './query-tile';

/** Queries that read keys and values together. */
const TILE_QUERIES = 4;

/**
 * Attention of a segment's rows `from` to `to` over its pages: writes to `input` [rows × heads ×
 * headDim] what the heads of kv head `head` give.
 */
export function attend(segment: Segment, layer: i32, head: i32, from: i32, to: i32): void {
  const r = range();
  const group = r.heads / r.kvHeads;
  const first = from * group;
  const end = to * group;
  const keys = layerOffset(layer) + <usize>head * r.headStride;
  for (let query = first; query < end; query += TILE_QUERIES) {
    const count = min(TILE_QUERIES, end - query);
    useQueries(segment, head, query, count);
    const limit = positionsSeen(segment, query + count - 1);
    const isFirst = query == first;
    if (r.int16) attendInt16(segment, query, count, keys, limit, isFirst);
    else attendExact(segment, query, count, keys, limit, isFirst);
  }
}
