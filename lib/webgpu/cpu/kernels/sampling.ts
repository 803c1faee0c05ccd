import { expNegative, expNegatives } from './exp-f64';
import { heapify, keepTaken, popTop } from './top';

/*
 * The next token from a row of logits: `../../sampling/sample.ts`, to the bit. Everything here is in
 * doubles, rounded where that rounds, summed in its order.
 */

/** logits += amounts of `count` ids, one after the other. Ids outside the vocabulary are passed over. */
export function biasLogits(logits: usize, vocab: i32, ids: usize, amounts: usize, count: i32): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const at = logitOf(logits, vocab, ids + i * 4);
    if (at) store<f32>(at, <f32>(<f64>load<f32>(at) + load<f64>(amounts + i * 8)));
  }
}

/** Divides positive logits of these ids and multiplies the others. */
export function punishRepeats(logits: usize, vocab: i32, ids: usize, count: i32, by: f64): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const at = logitOf(logits, vocab, ids + i * 4);
    if (!at) continue;
    const logit = <f64>load<f32>(at);
    store<f32>(at, <f32>(logit > 0 ? logit / by : logit * by));
  }
}

/** logits −= presence + frequency · how often, of `count` ids. */
export function punishPresent(
  logits: usize,
  vocab: i32,
  ids: usize,
  times: usize,
  count: i32,
  presence: f64,
  frequency: f64,
): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const at = logitOf(logits, vocab, ids + i * 4);
    if (!at) continue;
    store<f32>(at, <f32>(<f64>load<f32>(at) - presence - frequency * load<f64>(times + i * 8)));
  }
}

@inline
function logitOf(logits: usize, vocab: i32, id: usize): usize {
  const index = load<u32>(id);
  return index < <u32>vocab ? logits + <usize>index * 4 : 0;
}

/** Ids whose bit of `mask` [vocab / 32 words] is not set become −∞. */
export function forbidOthers(logits: usize, vocab: i32, mask: usize): void {
  for (let id = 0; id < vocab; id++) {
    const word = load<u32>(mask + <usize>(id >> 5) * 4);
    if (((word >> <u32>(id & 31)) & 1) == 0) store<f32>(logits + <usize>id * 4, -Infinity);
  }
}

/** The first id of the largest logit. */
export function argmax(logits: usize, vocab: i32): i32 {
  const fours = logits + <usize>(vocab & ~3) * 4;
  const end = logits + <usize>vocab * 4;
  let tops = f32x4.splat(-Infinity);
  for (let at = logits; at < fours; at += 16) tops = f32x4.pmax(tops, v128.load(at));
  let top: f32 = -Infinity;
  for (let at = fours; at < end; at += 4) top = load<f32>(at) > top ? load<f32>(at) : top;
  top = max(max(top, f32x4.extract_lane(tops, 0)), f32x4.extract_lane(tops, 1));
  top = max(max(top, f32x4.extract_lane(tops, 2)), f32x4.extract_lane(tops, 3));
  let at = logits;
  tops = f32x4.splat(top);
  while (at < fours && !v128.any_true(f32x4.eq(v128.load(at), tops))) at += 16;
  while (at < end && load<f32>(at) != top) at += 4;
  return at < end ? <i32>((at - logits) >> 2) : 0;
}

/** What surprise is measured with: the best logit, and the temperature. */
let best: f64 = 0;
let temperature: f64 = 1;

/** −surprise of a logit: (logit − best) / temperature. */
@inline
function negative(logit: f32): f64 {
  return -((best - <f64>logit) / temperature);
}

@inline
function massOf(logits: usize, id: i32): f64 {
  return expNegative(negative(load<f32>(logits + <usize>id * 4)));
}

/** Ids that are left, in their order, and how many; their masses. */
let ids: usize = 0;
let left: i32 = 0;

/**
 * The id that `uniform` in [0, 1) picks. `scratch` has 16 bytes for each id: what is left, masses,
 * and scores of typicality.
 */
export function sample(
  logits: usize,
  vocab: i32,
  scratch: usize,
  heat: f64,
  topK: i32,
  topP: f64,
  minP: f64,
  typicalP: f64,
  uniform: f64,
): i32 {
  const bestId = argmax(logits, vocab);
  if (heat <= 0 || topK == 1) return bestId;
  best = load<f32>(logits + <usize>bestId * 4);
  temperature = heat;
  const masses = scratch;
  ids = scratch + <usize>vocab * 8;
  const scores = ids + <usize>vocab * 4;
  if (topK <= 0 && topP >= 1 && minP <= 0 && typicalP >= 1) {
    return drawFromAll(logits, vocab, masses, uniform, bestId);
  }
  takePossible(logits, vocab);
  if (topK > 0) keepTop(logits, min(topK, left));
  if (topP < 1) keepShare(logits, logits, topP);
  if (minP > 0) keepLikely(logits, minP);
  if (typicalP < 1) {
    scoreTypicality(logits, scores);
    keepShare(logits, scores, typicalP);
  }
  return draw(logits, masses, uniform, bestId);
}

/** Ids in order, without those that are forbidden. */
function takePossible(logits: usize, vocab: i32): void {
  let to = ids;
  for (let id = 0; id < vocab; id++) {
    store<i32>(to, id);
    if (load<f32>(logits + <usize>id * 4) != -Infinity) to += 4;
  }
  left = <i32>((to - ids) >> 2);
}

@inline
function idAt(index: i32): i32 {
  return load<i32>(ids + <usize>index * 4);
}

/** The `count` best, best first. */
function keepTop(scores: usize, count: i32): void {
  heapify(scores, ids, left);
  for (let taken = 0; taken < count; taken++) popTop(scores, ids, left - taken);
  keepTaken(ids, left, count);
  left = count;
}

/** The smallest set of the best-scored ids that has this share of all mass; never none. */
function keepShare(logits: usize, scores: usize, share: f64): void {
  let total: f64 = 0;
  for (let i = 0; i < left; i++) total += massOf(logits, idAt(i));
  heapify(scores, ids, left);
  let taken = 0;
  for (let sum: f64 = 0; taken < left && (taken == 0 || !(sum >= share * total)); taken++) {
    sum += massOf(logits, popTop(scores, ids, left - taken));
  }
  keepTaken(ids, left, taken);
  left = taken;
}

/** Those at least `share` times as likely as the best. */
function keepLikely(logits: usize, share: f64): void {
  let kept = 0;
  for (let i = 0; i < left; i++) {
    const id = idAt(i);
    if (!(massOf(logits, id) >= share)) continue;
    store<i32>(ids + <usize>kept * 4, id);
    kept++;
  }
  left = kept;
}

/** How near each id's surprise is to the expected one: 0 is the nearest. */
function scoreTypicality(logits: usize, scores: usize): void {
  let total: f64 = 0;
  let sum: f64 = 0;
  for (let i = 0; i < left; i++) {
    const x = negative(load<f32>(logits + <usize>idAt(i) * 4));
    const mass = expNegative(x);
    total += mass;
    sum += mass * -x;
  }
  const expected = sum / total;
  for (let i = 0; i < left; i++) {
    const at = <usize>idAt(i) * 4;
    const surprise = -negative(load<f32>(logits + at));
    store<f32>(scores + at, <f32>(-abs<f64>(surprise - expected)));
  }
}

/** One of the ids that are left, by their masses; `fallback` where rounding leaves none. */
function draw(logits: usize, masses: usize, uniform: f64, fallback: i32): i32 {
  let total: f64 = 0;
  for (let i = 0; i < left; i++) {
    const mass = massOf(logits, idAt(i));
    store<f64>(masses + <usize>i * 8, mass);
    total += mass;
  }
  const place = placeOf(masses, left, uniform * total);
  return place < 0 ? fallback : idAt(place);
}

/** The same of all ids, two at a time: what is forbidden has no mass. */
function drawFromAll(
  logits: usize,
  vocab: i32,
  masses: usize,
  uniform: f64,
  fallback: i32,
): i32 {
  const bests = f64x2.splat(best);
  const temperatures = f64x2.splat(temperature);
  let total: f64 = 0;
  const pairs = vocab & ~1;
  for (let id = 0; id < pairs; id += 2) {
    const two = f64x2.promote_low_f32x4(v128.load64_zero(logits + <usize>id * 4));
    const x = f64x2.neg(f64x2.div(f64x2.sub(bests, two), temperatures));
    const both = expNegatives(x);
    v128.store(masses + <usize>id * 8, both);
    total += f64x2.extract_lane(both, 0);
    total += f64x2.extract_lane(both, 1);
  }
  if (pairs < vocab) {
    const mass = massOf(logits, pairs);
    store<f64>(masses + <usize>pairs * 8, mass);
    total += mass;
  }
  const id = placeOf(masses, vocab, uniform * total);
  return id < 0 ? fallback : id;
}

/** Where the masses taken off `rest` one by one make it negative; −1: nowhere. */
function placeOf(masses: usize, count: i32, rest: f64): i32 {
  for (let i = 0; i < count; i++) {
    rest -= load<f64>(masses + <usize>i * 8);
    if (rest < 0) return i;
  }
  return -1;
}
