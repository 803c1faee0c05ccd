/** Numbers that the shader and who reads its answers agree on. */
export const TOP = {
  /** The best ids are found up to this many: enough for top-k of 50 and for most of top-p. */
  ids: 128,
  /** Threads for one row: WebGPU promises 256 to every device. */
  threads: 256,
  /** Words of an answer before its ids. */
  headWords: 8,
} as const;

/** Words of one row's answer: the head, then ids and logits of up to `TOP.ids`. */
export const ANSWER_WORDS = TOP.headWords + 2 * TOP.ids;

/**
 * One workgroup reads one row of logits [rows × vocab] and answers with all ids above a floor – the
 * logit that stands at rank `TOP.ids`, found by counting digits of the logits' bits, most significant
 * first –, with two sums of exponentials (at temperature 1 and at the draw's), and with the id at
 * which the running sum in the order of ids passes the draw's share. Weights are relative to the best.
 */
export const TOP_SHADER = /* wgsl */ `
override vocab: u32;
const KEEP = ${TOP.ids}u;
const THREADS = ${TOP.threads}u;
const HEAD = ${TOP.headWords}u;
const STRIDE = ${ANSWER_WORDS}u;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
/** For each row: 1 / temperature, and a number in [0, 1). */
@group(0) @binding(1) var<storage, read> draws: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> answers: array<u32>;

var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> sums: array<vec2<f32>, THREADS>;
var<workgroup> digit: vec2<u32>;
var<workgroup> found: atomic<u32>;

/** Both zeros are one number. */
fn logitAt(row: u32, id: u32) -> f32 {
  let x = logits[row * vocab + id];
  return select(x, 0.0, x == 0.0);
}

/** In the order of floats. */
fn keyOf(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let row = group.x;
  let thread = local.x;
  let at = row * STRIDE;

  var best = -3.4028234e38;
  for (var id = thread; id < vocab; id += THREADS) {
    best = max(best, logitAt(row, id));
  }
  sums[thread] = vec2<f32>(best, 0.0);
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) {
      sums[thread].x = max(sums[thread].x, sums[thread + half].x);
    }
    workgroupBarrier();
  }
  let top = sums[0].x;
  workgroupBarrier();

  // The key at rank KEEP, digit by digit.
  var prefix = 0u;
  var mask = 0u;
  var rank = KEEP;
  for (var turn = 0u; turn < 4u; turn += 1u) {
    let shift = 24u - 8u * turn;
    atomicStore(&bins[thread], 0u);
    workgroupBarrier();
    for (var id = thread; id < vocab; id += THREADS) {
      let key = keyOf(logitAt(row, id));
      if ((key & mask) == prefix) {
        atomicAdd(&bins[(key >> shift) & 255u], 1u);
      }
    }
    workgroupBarrier();
    if (thread == 0u) {
      var above = 0u;
      var each = 255u;
      while (each > 0u && above + atomicLoad(&bins[each]) < rank) {
        above += atomicLoad(&bins[each]);
        each -= 1u;
      }
      digit = vec2<u32>(each, rank - above);
    }
    let chosen = workgroupUniformLoad(&digit);
    prefix |= chosen.x << shift;
    mask |= 255u << shift;
    rank = chosen.y;
  }

  if (thread == 0u) {
    atomicStore(&found, 0u);
  }
  workgroupBarrier();
  for (var id = thread; id < vocab; id += THREADS) {
    let x = logitAt(row, id);
    if (keyOf(x) > prefix) {
      let place = atomicAdd(&found, 1u);
      if (place < KEEP) {
        answers[at + HEAD + 2u * place] = id;
        answers[at + HEAD + 2u * place + 1u] = bitcast<u32>(x);
      }
    }
  }

  // Each thread its own run of ids, so that the running sum goes by ids.
  let draw = draws[row];
  let each = (vocab + THREADS - 1u) / THREADS;
  let end = min((thread + 1u) * each, vocab);
  var sum = vec2<f32>(0.0, 0.0);
  for (var id = thread * each; id < end; id += 1u) {
    let x = logitAt(row, id) - top;
    sum += vec2<f32>(exp(x), exp(x * draw.x));
  }
  sums[thread] = sum;
  workgroupBarrier();
  if (thread != 0u) {
    return;
  }
  var total = vec2<f32>(0.0, 0.0);
  for (var i = 0u; i < THREADS; i += 1u) {
    total += sums[i];
  }
  let share = draw.y * total.y;
  var before = 0.0;
  var run = 0u;
  while (run < THREADS - 1u && before + sums[run].y <= share) {
    before += sums[run].y;
    run += 1u;
  }
  var drawn = min(run * each, vocab - 1u);
  var weight = exp((logitAt(row, drawn) - top) * draw.x);
  while (drawn < vocab - 1u && before + weight <= share) {
    before += weight;
    drawn += 1u;
    weight = exp((logitAt(row, drawn) - top) * draw.x);
  }
  answers[at] = atomicLoad(&found);
  answers[at + 1u] = prefix;
  answers[at + 2u] = bitcast<u32>(top);
  answers[at + 3u] = bitcast<u32>(total.x);
  answers[at + 4u] = bitcast<u32>(total.y);
  answers[at + 5u] = drawn;
  answers[at + 6u] = bitcast<u32>(before);
  answers[at + 7u] = bitcast<u32>(weight);
}
`;
