import { Segment, range, roundUp4 } from './range';
import { rowBytes, scalesBytes, valuesOffset } from './kv';
import { callPages, q0, q1, q2, q3 } from './query-tile';
import { sumLanes } from './vector';
import { FOURS_OF_PAGE, roundWeights, weigh } from './weights-int16';

/*
 * Attention of a tile of queries with keys and values in int16 (`kv-int16.ts`). Integer sums are
 * exact; the fp32 ones run in order of position, page by page, whatever shares a tile or a step.
 */

/** log₂ of the fours of columns that a head has at most. */
const FOURS_OF_HEAD: i32 = 7;

/**
 * Bytes from what is computed with to what is called for: far enough to be there in time, and near
 * enough for the processor's own read-ahead to take it for one stream.
 */
const AHEAD: usize = 1024;

/**
 * Positions of a head that are called for at once before its first is computed with: the read-ahead
 * takes a while to begin.
 */
const CALLED_FIRST: i32 = 160;

/**
 * Bytes of a page that are called for while the one before is computed with, where it lies elsewhere:
 * what is called for ahead ends with the piece.
 */
const CALLED_NEXT: usize = 1024;

/** Calls for the beginning of the page after the first of `pages`, unless it follows on it. */
@inline
function callNext(pages: usize, offset: usize): void {
  const r = range();
  const next = load<usize>(pages, 4);
  if (next == load<usize>(pages) + <usize>r.pagePositions * rowBytes()) return;
  const from = next + offset;
  for (let at = from; at < from + CALLED_NEXT; at += 64) load<u32>(at);
}

/** Σ weights by lane of each query of the tile. */
let sums0: v128 = i32x4.splat(0);
let sums1: v128 = i32x4.splat(0);
let sums2: v128 = i32x4.splat(0);
let sums3: v128 = i32x4.splat(0);

/**
 * Writes to `input` what the tile's `count` queries, `query` and the next, give. `keys` is where
 * their head's keys lie in a page; `limit` positions are seen by the last of them. The first tile
 * of a head calls for its first pages.
 */
export function attendInt16(
  segment: Segment,
  query: i32,
  count: i32,
  keys: usize,
  limit: i32,
  isFirst: bool,
): void {
  const offset = keys + valuesOffset();
  if (isFirst) callPages(segment.pages, keys, min(limit, CALLED_FIRST));
  scores(count, segment.pages, keys, limit);
  if (isFirst) callPages(segment.pages, offset, min(limit, CALLED_FIRST));
  sums0 = weigh(0, segment, query, limit);
  if (count > 1) sums1 = weigh(1, segment, query + 1, limit);
  if (count > 2) sums2 = weigh(2, segment, query + 2, limit);
  if (count > 3) sums3 = weigh(3, segment, query + 3, limit);
  values(count, segment.pages, offset, limit);
}

function scores(count: i32, pages: usize, keys: usize, limit: i32): void {
  const r = range();
  let out = r.scores;
  for (let position = 0; position < limit; position += r.pagePositions, pages += 4) {
    const k = load<usize>(pages) + keys;
    if (position + r.pagePositions < limit) callNext(pages, keys);
    const positions = min(r.pagePositions, limit - position);
    if (count == 4) scoresOf(4, k, positions, out);
    else if (count == 3) scoresOf(3, k, positions, out);
    else if (count == 2) scoresOf(2, k, positions, out);
    else scoresOf(1, k, positions, out);
    out += <usize>r.pagePositions * 4;
  }
}

/**
 * sum + (a · x + b · y) / 2^shift: of each lane four products, whose sum is less than 2³¹ as they are
 * bounded together (`boundedFours`, `roundWeights`): of 2^shift such fours no sum leaves 32 bits. What
 * the shift drops is 2⁻²⁴ of the largest product, or less.
 */
@inline
function twoDots(sum: v128, a: v128, b: v128, x: v128, y: v128, shift: i32): v128 {
  const four = i32x4.add(i32x4.dot_i16x8_s(a, x), i32x4.dot_i16x8_s(b, y));
  return i32x4.add(sum, i32x4.shr_s(four, shift));
}

/** The same with one pair of products, which no factors within ±32767 bring to 2³¹. */
@inline
function dotAdd(sum: v128, a: v128, x: v128, shift: i32): v128 {
  return i32x4.add(sum, i32x4.shr_s(i32x4.dot_i16x8_s(a, x), shift));
}

/**
 * q · k · log₂e / √headDim of a page, eight positions at a time; past the last there is anything. `k`
 * is never 0: the branches that ask keep V8 of Node 20 from loading all splats of a turn first, more
 * than there are registers.
 */
@inline
function scoresOf(count: i32, page: usize, positions: i32, out: usize): void {
  const r = range();
  const stride = <usize>r.scoreStride * 4;
  const width = <usize>r.headDim * 2;
  const fours = width & ~7;
  let k = page + scalesBytes();
  const x0 = q0, x1 = q1, x2 = q2, x3 = q3;
  for (const end = page + <usize>positions * 4; page < end; page += 32, out += 32) {
    let a0 = i32x4.splat(0);
    let a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    for (let i: usize = 0; i < fours; i += 8, k += 64) {
      load<u32>(k, AHEAD);
      const k0 = v128.load(k);
      const k1 = v128.load(k, 16);
      const m0 = v128.load(k, 32);
      const m1 = v128.load(k, 48);
      let x = v128.load32_splat(x0 + i);
      let y = v128.load32_splat(x0 + i, 4);
      a0 = twoDots(a0, k0, m0, x, y, FOURS_OF_HEAD);
      b0 = twoDots(b0, k1, m1, x, y, FOURS_OF_HEAD);
      if (count > 1) {
        if (k == 0) break;
        x = v128.load32_splat(x1 + i);
        y = v128.load32_splat(x1 + i, 4);
        a1 = twoDots(a1, k0, m0, x, y, FOURS_OF_HEAD);
        b1 = twoDots(b1, k1, m1, x, y, FOURS_OF_HEAD);
      }
      if (count > 2) {
        if (k == 0) break;
        x = v128.load32_splat(x2 + i);
        y = v128.load32_splat(x2 + i, 4);
        a2 = twoDots(a2, k0, m0, x, y, FOURS_OF_HEAD);
        b2 = twoDots(b2, k1, m1, x, y, FOURS_OF_HEAD);
      }
      if (count > 3) {
        if (k == 0) break;
        x = v128.load32_splat(x3 + i);
        y = v128.load32_splat(x3 + i, 4);
        a3 = twoDots(a3, k0, m0, x, y, FOURS_OF_HEAD);
        b3 = twoDots(b3, k1, m1, x, y, FOURS_OF_HEAD);
      }
    }
    if (fours < width) {
      const k0 = v128.load(k);
      const k1 = v128.load(k, 16);
      k += 32;
      let x = v128.load32_splat(x0 + fours);
      a0 = dotAdd(a0, k0, x, FOURS_OF_HEAD);
      b0 = dotAdd(b0, k1, x, FOURS_OF_HEAD);
      if (count > 1) {
        x = v128.load32_splat(x1 + fours);
        a1 = dotAdd(a1, k0, x, FOURS_OF_HEAD);
        b1 = dotAdd(b1, k1, x, FOURS_OF_HEAD);
      }
      if (count > 2) {
        x = v128.load32_splat(x2 + fours);
        a2 = dotAdd(a2, k0, x, FOURS_OF_HEAD);
        b2 = dotAdd(b2, k1, x, FOURS_OF_HEAD);
      }
      if (count > 3) {
        x = v128.load32_splat(x3 + fours);
        a3 = dotAdd(a3, k0, x, FOURS_OF_HEAD);
        b3 = dotAdd(b3, k1, x, FOURS_OF_HEAD);
      }
    }
    const s0 = v128.load(page);
    const s1 = v128.load(page, 16);
    storeScores(out, s0, s1, a0, b0, x0 + width);
    if (count > 1) storeScores(out + stride, s0, s1, a1, b1, x1 + width);
    if (count > 2) storeScores(out + 2 * stride, s0, s1, a2, b2, x2 + width);
    if (count > 3) storeScores(out + 3 * stride, s0, s1, a3, b3, x3 + width);
  }
}

/** Sums of four and four more positions, times the keys' scales and the query's at `scale`. */
@inline
function storeScores(to: usize, s0: v128, s1: v128, first: v128, second: v128, scale: usize): void {
  const step = f32x4.mul(v128.load32_splat(scale), f32x4.splat(<f32>(1 << FOURS_OF_HEAD)));
  v128.store(to, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(first), s0), step));
  v128.store(to, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(second), s1), step), 16);
}

/**
 * Σ weight · v over all pages: within a page in integers, pages in fp32. Sums of a tile lie in
 * `unpacked` [query][headDim, rounded up to 4].
 */
function values(count: i32, pages: usize, offset: usize, limit: i32): void {
  const r = range();
  const width = <usize>roundUp4(r.headDim) * 4;
  memory.fill(r.unpacked, 0, <usize>count * width);
  let weights = r.scores;
  for (let position = 0; position < limit; position += r.pagePositions, pages += 4) {
    const v = load<usize>(pages) + offset;
    if (position + r.pagePositions < limit) callNext(pages, offset);
    roundPage(count, weights, v);
    valuesOfPage(count, v, min(r.pagePositions, limit - position), weights);
    weights += <usize>r.pagePositions * 4;
  }
  storeOut(r.unpacked, q0, sums0);
  if (count > 1) storeOut(r.unpacked + width, q1, sums1);
  if (count > 2) storeOut(r.unpacked + 2 * width, q2, sums2);
  if (count > 3) storeOut(r.unpacked + 3 * width, q3, sums3);
}

function roundPage(count: i32, at: usize, scales: usize): void {
  const stride = <usize>range().scoreStride * 4;
  roundWeights(at, scales);
  if (count > 1) roundWeights(at + stride, scales);
  if (count > 2) roundWeights(at + 2 * stride, scales);
  if (count > 3) roundWeights(at + 3 * stride, scales);
}

/** Eight columns at a time, then what is left. */
function valuesOfPage(count: i32, v: usize, positions: i32, weights: usize): void {
  const r = range();
  const pairs = <usize>(positions + 1) >> 1;
  const columns = <usize>(r.headDim & ~7) * 4;
  v += scalesBytes();
  let to = r.unpacked;
  const next = <usize>r.pagePositions * 16;
  for (const end = to + columns; to < end; to += 32, v += next) {
    if (count == 4) valuesOf(4, v, pairs, weights, to);
    else if (count == 3) valuesOf(3, v, pairs, weights, to);
    else if (count == 2) valuesOf(2, v, pairs, weights, to);
    else valuesOf(1, v, pairs, weights, to);
  }
  if ((r.headDim & 7) == 0) return;
  for (let i = 0; i < count; i++) {
    lastValues(v, pairs, weights, to);
    weights += <usize>r.scoreStride * 4;
    to += <usize>roundUp4(r.headDim) * 4;
  }
}

/**
 * Adds Σ weight · v of one page to the sums at `to`: eight columns. Four positions at a time: weights
 * past the last are 0. The branches are those of `scoresOf`.
 */
@inline
function valuesOf(count: i32, v: usize, pairs: usize, weights: usize, to: usize): void {
  const stride = <usize>range().scoreStride * 4;
  const p1 = weights + stride;
  const p2 = p1 + stride;
  const p3 = p2 + stride;
  let a0 = i32x4.splat(0);
  let a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  for (let i: usize = 0; i < pairs * 4; i += 8, v += 64) {
    load<u32>(v, AHEAD);
    const v0 = v128.load(v);
    const v1 = v128.load(v, 16);
    const w0 = v128.load(v, 32);
    const w1 = v128.load(v, 48);
    let x = v128.load32_splat(weights + i);
    let y = v128.load32_splat(weights + i, 4);
    a0 = twoDots(a0, v0, w0, x, y, FOURS_OF_PAGE);
    b0 = twoDots(b0, v1, w1, x, y, FOURS_OF_PAGE);
    if (count > 1) {
      if (v == 0) break;
      x = v128.load32_splat(p1 + i);
      y = v128.load32_splat(p1 + i, 4);
      a1 = twoDots(a1, v0, w0, x, y, FOURS_OF_PAGE);
      b1 = twoDots(b1, v1, w1, x, y, FOURS_OF_PAGE);
    }
    if (count > 2) {
      if (v == 0) break;
      x = v128.load32_splat(p2 + i);
      y = v128.load32_splat(p2 + i, 4);
      a2 = twoDots(a2, v0, w0, x, y, FOURS_OF_PAGE);
      b2 = twoDots(b2, v1, w1, x, y, FOURS_OF_PAGE);
    }
    if (count > 3) {
      if (v == 0) break;
      x = v128.load32_splat(p3 + i);
      y = v128.load32_splat(p3 + i, 4);
      a3 = twoDots(a3, v0, w0, x, y, FOURS_OF_PAGE);
      b3 = twoDots(b3, v1, w1, x, y, FOURS_OF_PAGE);
    }
  }
  const width = <usize>roundUp4(range().headDim) * 4;
  addOut(to, a0, weights);
  addOut(to + 16, b0, weights);
  if (count > 1) {
    addOut(to + width, a1, p1);
    addOut(to + width + 16, b1, p1);
  }
  if (count > 2) {
    addOut(to + 2 * width, a2, p2);
    addOut(to + 2 * width + 16, b2, p2);
  }
  if (count > 3) {
    addOut(to + 3 * width, a3, p3);
    addOut(to + 3 * width + 16, b3, p3);
  }
}

/**
 * The same of one query and the columns past the last eight. Apart from them, for eight and four
 * columns in one function became one loop, which asked at each dot how many there are.
 */
function lastValues(v: usize, pairs: usize, weights: usize, to: usize): void {
  const columns = range().headDim & 7;
  const step = <usize>columns * 4;
  for (let column = 0; column < columns; column += 4, v += 16, to += 16) {
    let sum = i32x4.splat(0);
    for (let i: usize = 0; i < pairs; i++) {
      const x = v128.load32_splat(weights + i * 4);
      sum = dotAdd(sum, v128.load(v + i * step), x, FOURS_OF_PAGE);
    }
    addOut(to, sum, weights);
  }
}

@inline
function addOut(to: usize, sum: v128, weights: usize): void {
  const step = v128.load32_splat(weights + <usize>range().pagePositions * 2);
  v128.store(to, f32x4.add(v128.load(to), f32x4.mul(f32x4.convert_i32x4_s(sum), step)));
}

/** A query's sums to `input`, divided by the sum of its weights. */
function storeOut(from: usize, query: usize, sums: v128): void {
  const r = range();
  const inverses = f32x4.splat(<f32>1 / sumLanes(sums));
  let to = query + r.input - r.q;
  for (const end = to + <usize>(r.headDim & ~3) * 4; to < end; to += 16, from += 16) {
    v128.store(to, f32x4.mul(v128.load(from), inverses));
  }
  if ((r.headDim & 3) == 0) return;
  v128.store_lane<i64>(to, f32x4.mul(v128.load(from), inverses), 0);
}
