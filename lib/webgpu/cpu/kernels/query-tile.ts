import { Segment, range } from './range';
import { rowBytes, scalesBytes } from './kv';

/*
 * Up to four queries that read the same kv head: the heads of a group, then the next rows. Keys and
 * values are loaded once for all of them. Variables are each thread's own.
 */

/** Address of each query of the tile in `q`; its output has the same offset in `input`. */
export let q0: usize = 0;
export let q1: usize = 0;
export let q2: usize = 0;
export let q3: usize = 0;

/** The `count` queries of kv head `head` from `query` on: row by row of the segment, by head. */
@inline
export function useQueries(segment: Segment, head: i32, query: i32, count: i32): void {
  q0 = queryAddress(segment, head, query);
  if (count > 1) q1 = queryAddress(segment, head, query + 1);
  if (count > 2) q2 = queryAddress(segment, head, query + 2);
  if (count > 3) q3 = queryAddress(segment, head, query + 3);
}

@inline
function queryAddress(segment: Segment, kvHead: i32, query: i32): usize {
  const r = range();
  const group = r.heads / r.kvHeads;
  const row = segment.firstRow + query / group;
  return r.q + <usize>((row * r.heads + kvHead * group + (query % group)) * r.headDim) * 4;
}

/** Positions that a query looks at: its own row's and those before. */
@inline
export function positionsSeen(segment: Segment, query: i32): i32 {
  return segment.firstPosition + query / (range().heads / range().kvHeads) + 1;
}

/**
 * Reads a word of every cache line of a head's keys, or values, of `positions` positions, so that
 * they are on their way from memory all at once: computing with them waits for a few lines at a
 * time. WASM has no prefetch; a load may trap, so no compiler leaves it out.
 */
export function callPages(pages: usize, offset: usize, positions: i32): void {
  const inPage = range().pagePositions;
  for (; positions > 0; positions -= inPage, pages += 4) {
    let at = load<usize>(pages) + offset;
    const end = at + scalesBytes() + <usize>min(inPage, positions) * rowBytes();
    for (; at < end; at += 64) load<u32>(at);
  }
}
