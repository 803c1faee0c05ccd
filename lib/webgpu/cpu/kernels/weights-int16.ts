import { Segment, range } from './range';
import { positionsSeen } from './query-tile';
import { exp2, inverseOf, maxLanes, roundToInt, stepOf } from './vector';

/** Scores of a tile's queries into weights, and weights into int16: what `softmax.ts` is in `exact`. */

/** log₂ of the fours of positions that a page has at most. */
export const FOURS_OF_PAGE: i32 = 3;

/** The score of a position that a query does not see: below all others. */
const UNSEEN: f32 = -1e30;

/**
 * Turns the scores of the tile's query `index` into weights 2^(score − largest): 0 past what `query`
 * sees, to the end of the page of the last of `limit` positions. All of them before the first value:
 * page by page, the values of each waited for its weights. @returns Σ weights by lane, each in order
 * of position.
 */
export function weigh(index: i32, segment: Segment, query: i32, limit: i32): v128 {
  const r = range();
  let at = r.scores + <usize>(index * r.scoreStride) * 4;
  const pages = (limit + r.pagePositions - 1) / r.pagePositions;
  const end = at + <usize>(pages * r.pagePositions) * 4;
  const past = at + <usize>positionsSeen(segment, query) * 4;
  for (let i = past; i < end; i += 4) store<f32>(i, UNSEEN);
  const top = largest(at, past);
  let sums = f32x4.splat(0);
  for (; at + 32 <= past; at += 32) sums = weighEight(at, top, sums);
  if (at < past) weighEight(at, top, sums);
  for (let i = past; i < end; i += 4) store<f32>(i, 0);
  return at < past ? f32x4.add(f32x4.add(sums, v128.load(at)), v128.load(at, 16)) : sums;
}

/** The largest of the scores from `at` to `past`, in all lanes; sixteen more may be read. */
function largest(at: usize, past: usize): v128 {
  let a = v128.load(at);
  let b = a, c = a, d = a; // one vector alone would wait for itself
  for (; at < past; at += 64) {
    a = f32x4.pmax(a, v128.load(at));
    b = f32x4.pmax(b, v128.load(at, 16));
    c = f32x4.pmax(c, v128.load(at, 32));
    d = f32x4.pmax(d, v128.load(at, 48));
  }
  return maxLanes(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}

/** @returns `sums` and the weights of eight positions. */
@inline
function weighEight(at: usize, top: v128, sums: v128): v128 {
  const first = exp2(f32x4.sub(v128.load(at), top));
  const second = exp2(f32x4.sub(v128.load(at, 16), top));
  v128.store(at, first);
  v128.store(at, second, 16);
  return f32x4.add(f32x4.add(sums, first), second);
}

/**
 * A page's weights times the `scales` of its values as int16, in place, followed by their scale. Two
 * neighbours add up to 32767 at most, so that four of them times their values stay below 2³¹.
 */
@inline
export function roundWeights(at: usize, scales: usize): void {
  const end = at + <usize>range().pagePositions * 4;
  let top = f32x4.splat(0);
  for (let i = at, s = scales; i < end; i += 32, s += 32) {
    const low = f32x4.mul(v128.load(i), v128.load(s));
    const high = f32x4.mul(v128.load(i, 16), v128.load(s, 16));
    const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
    const odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
    top = f32x4.pmax(top, f32x4.add(even, odd));
  }
  const most = maxLanes(top);
  const inverses = inverseOf(most);
  let to = at;
  for (let i = at, s = scales; i < end; i += 32, s += 32, to += 16) {
    const low = roundToInt(f32x4.mul(f32x4.mul(v128.load(i), v128.load(s)), inverses));
    const high = roundToInt(f32x4.mul(f32x4.mul(v128.load(i, 16), v128.load(s, 16)), inverses));
    v128.store(to, i16x8.narrow_i32x4_s(low, high));
  }
  const step = f32x4.mul(stepOf(most), f32x4.splat(<f32>(1 << FOURS_OF_PAGE)));
  v128.store_lane<f32>(to, step, 0);
}
