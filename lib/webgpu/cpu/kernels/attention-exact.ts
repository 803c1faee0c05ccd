import { Segment, range } from './range';
import { valuesOffset } from './kv';
import { callPages, positionsSeen, q0, q1, q2, q3 } from './query-tile';
import { softmax } from './softmax';

/*
 * Attention of a tile of queries in fp32. A query's sums run in order of position, whatever shares
 * its tile.
 */

/**
 * Writes to `input` what the tile's `count` queries, `query` and the next, give. `keys` is where
 * their head's keys lie in a page; `limit` positions are seen by the last of them. The first tile
 * of a head calls for its pages.
 */
export function attendExact(
  segment: Segment,
  query: i32,
  count: i32,
  keys: usize,
  limit: i32,
  isFirst: bool,
): void {
  const r = range();
  if (isFirst) callPages(segment.pages, keys, limit);
  scores(count, segment.pages, keys, limit);
  for (let i = 0; i < count; i++) {
    softmax(r.scores + <usize>(i * r.scoreStride) * 4, positionsSeen(segment, query + i), limit);
  }
  const offset = keys + valuesOffset();
  if (isFirst) callPages(segment.pages, offset, limit);
  values(count, segment.pages, offset, limit);
}

function scores(count: i32, pages: usize, keys: usize, limit: i32): void {
  if (count == 4) return scoresOf(4, pages, keys, limit);
  if (count == 3) return scoresOf(3, pages, keys, limit);
  if (count == 2) return scoresOf(2, pages, keys, limit);
  scoresOf(1, pages, keys, limit);
}

/** q · k of eight positions at a time; past `limit` there is whatever the page holds. */
@inline
function scoresOf(count: i32, pages: usize, keys: usize, limit: i32): void {
  const r = range();
  const stride = <usize>r.scoreStride * 4;
  const four = <usize>r.headDim * 16;
  const end = <usize>r.headDim * 4;
  let out = r.scores;
  let k: usize = 0;
  for (let position = 0; position < limit; position += 8, out += 32, k += four) {
    if (position % r.pagePositions == 0) {
      k = load<usize>(pages + <usize>(position / r.pagePositions) * 4) + keys;
    }
    let a0 = f32x4.splat(0);
    let a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    for (let i: usize = 0; i < end; i += 4, k += 16) {
      const k0 = v128.load(k);
      const k1 = v128.load(k + four);
      let x = v128.load32_splat(q0 + i);
      a0 = f32x4.add(a0, f32x4.mul(k0, x));
      b0 = f32x4.add(b0, f32x4.mul(k1, x));
      if (count > 1) {
        x = v128.load32_splat(q1 + i);
        a1 = f32x4.add(a1, f32x4.mul(k0, x));
        b1 = f32x4.add(b1, f32x4.mul(k1, x));
      }
      if (count > 2) {
        x = v128.load32_splat(q2 + i);
        a2 = f32x4.add(a2, f32x4.mul(k0, x));
        b2 = f32x4.add(b2, f32x4.mul(k1, x));
      }
      if (count > 3) {
        x = v128.load32_splat(q3 + i);
        a3 = f32x4.add(a3, f32x4.mul(k0, x));
        b3 = f32x4.add(b3, f32x4.mul(k1, x));
      }
    }
    storeTwo(out, a0, b0);
    if (count > 1) storeTwo(out + stride, a1, b1);
    if (count > 2) storeTwo(out + 2 * stride, a2, b2);
    if (count > 3) storeTwo(out + 3 * stride, a3, b3);
  }
}

@inline
function storeTwo(to: usize, first: v128, second: v128): void {
  v128.store(to, first);
  v128.store(to, second, 16);
}

function values(count: i32, pages: usize, offset: usize, limit: i32): void {
  const r = range();
  for (let from = 0; from < r.headDim; from += 8) {
    const at = offset + <usize>from * 4;
    const two = from + 4 < r.headDim;
    if (count == 4) {
      if (two) valuesOf(4, true, pages, at, from, limit);
      else valuesOf(4, false, pages, at, from, limit);
    } else if (count == 3) {
      if (two) valuesOf(3, true, pages, at, from, limit);
      else valuesOf(3, false, pages, at, from, limit);
    } else if (count == 2) {
      if (two) valuesOf(2, true, pages, at, from, limit);
      else valuesOf(2, false, pages, at, from, limit);
    } else if (two) valuesOf(1, true, pages, at, from, limit);
    else valuesOf(1, false, pages, at, from, limit);
  }
}

/**
 * Σ weight · v of eight (`two`) or four columns from `from` on. Of a head whose width is no
 * multiple of four, the last two lanes are another's and are not stored.
 */
@inline
function valuesOf(
  count: i32,
  two: bool,
  pages: usize,
  offset: usize,
  from: i32,
  limit: i32,
): void {
  const r = range();
  const stride = <usize>r.scoreStride * 4;
  const width = <usize>r.headDim * 4;
  let a0 = f32x4.splat(0);
  let a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  let p0 = r.scores;
  let p1 = p0 + stride;
  let p2 = p1 + stride;
  let p3 = p2 + stride;
  for (let position = 0; position < limit; position += r.pagePositions, pages += 4) {
    let v = load<usize>(pages) + offset;
    const end = v + <usize>min(r.pagePositions, limit - position) * width;
    for (; v < end; v += width) {
      const v0 = v128.load(v);
      const v1 = two ? v128.load(v, 16) : v0;
      let x = v128.load32_splat(p0);
      p0 += 4;
      a0 = f32x4.add(a0, f32x4.mul(v0, x));
      if (two) b0 = f32x4.add(b0, f32x4.mul(v1, x));
      if (count > 1) {
        x = v128.load32_splat(p1);
        p1 += 4;
        a1 = f32x4.add(a1, f32x4.mul(v0, x));
        if (two) b1 = f32x4.add(b1, f32x4.mul(v1, x));
      }
      if (count > 2) {
        x = v128.load32_splat(p2);
        p2 += 4;
        a2 = f32x4.add(a2, f32x4.mul(v0, x));
        if (two) b2 = f32x4.add(b2, f32x4.mul(v1, x));
      }
      if (count > 3) {
        x = v128.load32_splat(p3);
        p3 += 4;
        a3 = f32x4.add(a3, f32x4.mul(v0, x));
        if (two) b3 = f32x4.add(b3, f32x4.mul(v1, x));
      }
    }
  }
  const out = r.input - r.q + <usize>from * 4;
  const half = r.headDim - from == (two ? 6 : 2);
  storeOut(two, half, q0 + out, a0, b0);
  if (count > 1) storeOut(two, half, q1 + out, a1, b1);
  if (count > 2) storeOut(two, half, q2 + out, a2, b2);
  if (count > 3) storeOut(two, half, q3 + out, a3, b3);
}

/** Stores both vectors, or one; of the last only the first half where `half`. */
@inline
function storeOut(two: bool, half: bool, to: usize, first: v128, second: v128): void {
  if (two) v128.store(to, first);
  const last = two ? second : first;
  const at = two ? to + 16 : to;
  if (half) v128.store_lane<i64>(at, last, 0);
  else v128.store(at, last);
}
