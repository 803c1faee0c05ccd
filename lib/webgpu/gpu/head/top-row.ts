import { ANSWER_WORDS, TOP } from './top-shader.ts';

/** What the GPU tells of one row of logits. */
export interface TopRow {
  /** Every id whose logit is above `floor`, in no order, and the logits. */
  readonly ids: Uint32Array;
  readonly logits: Float32Array;
  /** No other id's logit is above; −∞ where there is no other. */
  readonly floor: number;
  /** The best logit. */
  readonly top: number;
  /** Σ exp(logit − top), fp32. */
  readonly sum: number;
  /** Σ exp((logit − top) / temperature), fp32. */
  readonly drawSum: number;
  /** The id at which the running sum of those passes the draw's share; the sum before it; its own. */
  readonly drawnId: number;
  readonly drawnBefore: number;
  readonly drawnWeight: number;
}

/** An answer of the shader's as it lies in memory. */
export function topRowOf(answer: Uint32Array, vocab: number): TopRow {
  const floats = new Float32Array(answer.slice(0, ANSWER_WORDS).buffer);
  const word = (i: number): number => answer[i] ?? 0;
  const float = (i: number): number => floats[i] ?? NaN;
  const count = Math.min(word(0), TOP.ids);
  const at = (i: number): number => TOP.headWords + 2 * i;
  return {
    ids: Uint32Array.from({ length: count }, (_, i) => word(at(i))),
    logits: Float32Array.from({ length: count }, (_, i) => float(at(i) + 1)),
    floor: count === vocab ? -Infinity : floatOfKey(word(1)),
    top: float(2),
    sum: float(3),
    drawSum: float(4),
    drawnId: word(5),
    drawnBefore: float(6),
    drawnWeight: float(7),
  };
}

/** The float that `keyOf` of the shader gave this key. */
function floatOfKey(key: number): number {
  const bits = key >= 2 ** 31 ? key - 2 ** 31 : ~key >>> 0;
  return new Float32Array(Uint32Array.of(bits).buffer)[0] ?? NaN;
}
