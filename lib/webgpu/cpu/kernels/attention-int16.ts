import { Segment, range, roundUp4 } from './range';
import { scalesBytes, valuesOffset } from './kv';
import { inverseOf, stepOf } from './kv-int16';
import { callPages, callScales, positionsSeen, q0, q1, q2, q3 } from './query-tile';
import { exp2, maxLanes, roundToInt, sumLanes } from './vector';

/*
 * Attention of a tile of queries with keys and values in int16 (`kv-int16.ts`). Integer sums are
 * exact; the fp32 ones run in order of position, page by page, whatever shares a tile or a step.
 */

/** Pages that are called for at once: 132 KB of heads of 64, for the second-level cache. */
const CALLED_PAGES: i32 = 32;

/** log₂ of the pairs of columns that a head, and of positions that a page, has at most. */
const PAIRS_OF_HEAD: i32 = 8;
const PAIRS_OF_PAGE: i32 = 4;

/** The score of a position that a query does not see: below all others. */
const UNSEEN: f32 = -1e30;

/** 1 / Σ of each query's weights, which its output still needs. */
let inverse0: f32 = 0;
let inverse1: f32 = 0;
let inverse2: f32 = 0;
let inverse3: f32 = 0;

/**
 * Writes to `input` what the tile's `count` queries, `query` and the next, give. `keys` is where
 * their head's keys lie in a page; `limit` positions are seen by the last of them. The first tile
 * of a head calls for its pages.
 */
export function attendInt16(
  segment: Segment,
  query: i32,
  count: i32,
  keys: usize,
  limit: i32,
  isFirst: bool,
): void {
  const r = range();
  scores(count, segment.pages, keys, limit, isFirst);
  const offset = keys + valuesOffset();
  if (isFirst) callScales(segment.pages, offset, limit);
  inverse0 = weigh(0, segment, query, offset, limit);
  if (count > 1) inverse1 = weigh(1, segment, query + 1, offset, limit);
  if (count > 2) inverse2 = weigh(2, segment, query + 2, offset, limit);
  if (count > 3) inverse3 = weigh(3, segment, query + 3, offset, limit);
  values(count, segment.pages, offset, limit, isFirst);
}

/** Calls for the next pages where `position` is the first of as many. */
@inline
function callNext(pages: usize, offset: usize, position: i32, limit: i32): void {
  const positions = CALLED_PAGES * range().pagePositions;
  if (position % positions == 0) callPages(pages, offset, min(positions, limit - position));
}

function scores(count: i32, pages: usize, keys: usize, limit: i32, calls: bool): void {
  const r = range();
  let out = r.scores;
  for (let position = 0; position < limit; position += r.pagePositions, pages += 4) {
    if (calls) callNext(pages, keys, position, limit);
    const k = load<usize>(pages) + keys;
    const positions = min(r.pagePositions, limit - position);
    if (count == 4) scoresOf(4, k, positions, out);
    else if (count == 3) scoresOf(3, k, positions, out);
    else if (count == 2) scoresOf(2, k, positions, out);
    else scoresOf(1, k, positions, out);
    out += <usize>r.pagePositions * 4;
  }
}

/**
 * sum + a · b / 2^shift. A pair of products is less than 2³¹, as all factors are within ±32767: of
 * 2^shift pairs no sum leaves 32 bits. What the shift drops is 2⁻²³ of the largest product, or less.
 */
@inline
function dotAdd(sum: v128, a: v128, b: v128, shift: i32): v128 {
  return i32x4.add(sum, i32x4.shr_s(i32x4.dot_i16x8_s(a, b), shift));
}

/** q · k · log₂e / √headDim of a page, eight positions at a time; past the last there is anything. */
@inline
function scoresOf(count: i32, page: usize, positions: i32, out: usize): void {
  const r = range();
  const stride = <usize>r.scoreStride * 4;
  const four = <usize>r.headDim * 8;
  const width = <usize>r.headDim * 2;
  let k = page + scalesBytes();
  for (const end = page + <usize>positions * 4; page < end; page += 32, out += 32, k += four) {
    let a0 = i32x4.splat(0);
    let a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    for (let i: usize = 0; i < width; i += 4, k += 16) {
      const k0 = v128.load(k);
      const k1 = v128.load(k + four);
      let x = v128.load32_splat(q0 + i);
      a0 = dotAdd(a0, k0, x, PAIRS_OF_HEAD);
      b0 = dotAdd(b0, k1, x, PAIRS_OF_HEAD);
      if (count > 1) {
        x = v128.load32_splat(q1 + i);
        a1 = dotAdd(a1, k0, x, PAIRS_OF_HEAD);
        b1 = dotAdd(b1, k1, x, PAIRS_OF_HEAD);
      }
      if (count > 2) {
        x = v128.load32_splat(q2 + i);
        a2 = dotAdd(a2, k0, x, PAIRS_OF_HEAD);
        b2 = dotAdd(b2, k1, x, PAIRS_OF_HEAD);
      }
      if (count > 3) {
        x = v128.load32_splat(q3 + i);
        a3 = dotAdd(a3, k0, x, PAIRS_OF_HEAD);
        b3 = dotAdd(b3, k1, x, PAIRS_OF_HEAD);
      }
    }
    const s0 = v128.load(page);
    const s1 = v128.load(page, 16);
    storeScores(out, s0, s1, a0, b0, q0 + width);
    if (count > 1) storeScores(out + stride, s0, s1, a1, b1, q1 + width);
    if (count > 2) storeScores(out + 2 * stride, s0, s1, a2, b2, q2 + width);
    if (count > 3) storeScores(out + 3 * stride, s0, s1, a3, b3, q3 + width);
  }
}

/** Sums of four and four more positions, times the keys' scales and the query's at `scale`. */
@inline
function storeScores(to: usize, s0: v128, s1: v128, first: v128, second: v128, scale: usize): void {
  const step = f32x4.mul(v128.load32_splat(scale), f32x4.splat(<f32>(1 << PAIRS_OF_HEAD)));
  v128.store(to, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(first), s0), step));
  v128.store(to, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(second), s1), step), 16);
}

/**
 * Turns the scores of the tile's query `index` into weights 2^(score − largest), times the scales of
 * the values at `offset`, as int16, page by page: in place, each page's followed by their scale. Past
 * what `query` sees, to the end of the page of the last of `limit` positions, weights are 0 whatever
 * lies there. @returns 1 / Σ weights; its lanes run in order of position.
 */
function weigh(index: i32, segment: Segment, query: i32, offset: usize, limit: i32): f32 {
  const r = range();
  const page = <usize>r.pagePositions * 4;
  const seen = positionsSeen(segment, query);
  let at = r.scores + <usize>(index * r.scoreStride) * 4;
  const past = at + <usize>seen * 4;
  const end = at + <usize>((limit + r.pagePositions - 1) / r.pagePositions) * page;
  for (let i = past; i < end; i += 4) store<f32>(i, UNSEEN);
  let top = v128.load(at);
  for (let i = at; i < past; i += 16) top = f32x4.pmax(top, v128.load(i));
  top = f32x4.splat(maxLanes(top));
  let sums = f32x4.splat(0);
  for (let pages = segment.pages; at < end; at += page, pages += 4) {
    const scales = load<usize>(pages) + offset;
    let most = f32x4.splat(0);
    for (let i: usize = 0; i < page; i += 16) {
      const score = v128.load(at + i);
      const weight = v128.and(exp2(f32x4.sub(score, top)), f32x4.gt(score, f32x4.splat(UNSEEN)));
      sums = f32x4.add(sums, weight);
      const scaled = f32x4.mul(weight, v128.load(scales + i));
      most = f32x4.pmax(most, scaled);
      v128.store(at + i, scaled);
    }
    roundWeights(at, page, maxLanes(most));
  }
  return <f32>1 / sumLanes(sums);
}

@inline
function roundWeights(at: usize, bytes: usize, most: f32): void {
  const inverses = f32x4.splat(inverseOf(most));
  let to = at;
  for (let i: usize = 0; i < bytes; i += 32, to += 16) {
    const low = roundToInt(f32x4.mul(v128.load(at + i), inverses));
    const high = roundToInt(f32x4.mul(v128.load(at + i, 16), inverses));
    v128.store(to, i16x8.narrow_i32x4_s(low, high));
  }
  store<f32>(to, stepOf(most) * <f32>(1 << PAIRS_OF_PAGE));
}

/**
 * Σ weight · v over all pages: within a page in integers, pages in fp32. Sums of a tile lie in
 * `unpacked` [query][headDim, rounded up to 4].
 */
function values(count: i32, pages: usize, offset: usize, limit: i32, calls: bool): void {
  const r = range();
  const width = <usize>roundUp4(r.headDim) * 4;
  memory.fill(r.unpacked, 0, <usize>count * width);
  let weights = r.scores;
  for (let position = 0; position < limit; position += r.pagePositions, pages += 4) {
    if (calls) callNext(pages, offset, position, limit);
    const v = load<usize>(pages) + offset;
    valuesOfPage(count, v, min(r.pagePositions, limit - position), weights);
    weights += <usize>r.pagePositions * 4;
  }
  storeOut(r.unpacked, q0, inverse0);
  if (count > 1) storeOut(r.unpacked + width, q1, inverse1);
  if (count > 2) storeOut(r.unpacked + 2 * width, q2, inverse2);
  if (count > 3) storeOut(r.unpacked + 3 * width, q3, inverse3);
}

/** Eight columns at a time, then the last four. */
function valuesOfPage(count: i32, v: usize, positions: i32, weights: usize): void {
  const r = range();
  const step = <usize>r.headDim * 4;
  const pairs = <usize>(positions + 1) >> 1;
  v += scalesBytes();
  let to = r.unpacked;
  for (let columns = roundUp4(r.headDim); columns > 0; columns -= 8, v += 32, to += 32) {
    const two = columns > 4;
    if (count == 4) {
      if (two) valuesOf(4, true, v, step, pairs, weights, to);
      else valuesOf(4, false, v, step, pairs, weights, to);
    } else if (count == 3) {
      if (two) valuesOf(3, true, v, step, pairs, weights, to);
      else valuesOf(3, false, v, step, pairs, weights, to);
    } else if (count == 2) {
      if (two) valuesOf(2, true, v, step, pairs, weights, to);
      else valuesOf(2, false, v, step, pairs, weights, to);
    } else if (two) valuesOf(1, true, v, step, pairs, weights, to);
    else valuesOf(1, false, v, step, pairs, weights, to);
  }
}

/** Adds Σ weight · v of one page to the sums at `to`: eight (`two`) or four columns. */
@inline
function valuesOf(
  count: i32,
  two: bool,
  v: usize,
  step: usize,
  pairs: usize,
  weights: usize,
  to: usize,
): void {
  const stride = <usize>range().scoreStride * 4;
  const p1 = weights + stride;
  const p2 = p1 + stride;
  const p3 = p2 + stride;
  let a0 = i32x4.splat(0);
  let a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  for (let i: usize = 0; i < pairs * 4; i += 4, v += step) {
    const v0 = v128.load(v);
    const v1 = two ? v128.load(v, 16) : v0;
    let x = v128.load32_splat(weights + i);
    a0 = dotAdd(a0, v0, x, PAIRS_OF_PAGE);
    if (two) b0 = dotAdd(b0, v1, x, PAIRS_OF_PAGE);
    if (count > 1) {
      x = v128.load32_splat(p1 + i);
      a1 = dotAdd(a1, v0, x, PAIRS_OF_PAGE);
      if (two) b1 = dotAdd(b1, v1, x, PAIRS_OF_PAGE);
    }
    if (count > 2) {
      x = v128.load32_splat(p2 + i);
      a2 = dotAdd(a2, v0, x, PAIRS_OF_PAGE);
      if (two) b2 = dotAdd(b2, v1, x, PAIRS_OF_PAGE);
    }
    if (count > 3) {
      x = v128.load32_splat(p3 + i);
      a3 = dotAdd(a3, v0, x, PAIRS_OF_PAGE);
      if (two) b3 = dotAdd(b3, v1, x, PAIRS_OF_PAGE);
    }
  }
  const width = <usize>roundUp4(range().headDim) * 4;
  addOut(two, to, a0, b0, weights);
  if (count > 1) addOut(two, to + width, a1, b1, p1);
  if (count > 2) addOut(two, to + 2 * width, a2, b2, p2);
  if (count > 3) addOut(two, to + 3 * width, a3, b3, p3);
}

@inline
function addOut(two: bool, to: usize, first: v128, second: v128, weights: usize): void {
  const step = v128.load32_splat(weights + <usize>range().pagePositions * 2);
  v128.store(to, f32x4.add(v128.load(to), f32x4.mul(f32x4.convert_i32x4_s(first), step)));
  if (!two) return;
  const sum = f32x4.mul(f32x4.convert_i32x4_s(second), step);
  v128.store(to, f32x4.add(v128.load(to, 16), sum), 16);
}

/** A query's sums to `input`, divided by the sum of its weights. */
function storeOut(from: usize, query: usize, inverse: f32): void {
  const r = range();
  const inverses = f32x4.splat(inverse);
  let to = query + r.input - r.q;
  for (const end = to + <usize>(r.headDim & ~3) * 4; to < end; to += 16, from += 16) {
    v128.store(to, f32x4.mul(v128.load(from), inverses));
  }
  if ((r.headDim & 3) == 0) return;
  v128.store_lane<i64>(to, f32x4.mul(v128.load(from), inverses), 0);
}
