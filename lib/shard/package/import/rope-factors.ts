import { FaultError } from '#lib/kernel/errors.ts';
import type { Llama3RopeScaling, ModelShape } from '#lib/webgpu/model.ts';

/** Context lengths that a model may have been trained with before it was stretched: 2⁵ … 2²⁰. */
const CONTEXTS = [8192, ...Array.from({ length: 16 }, (_, i) => 2 ** (i + 5))];

/** Of the blend between both kinds of frequencies: factors are F32 made from F32 frequencies. */
const TOLERANCE = 1e-5;

type Rope = Pick<ModelShape, 'ropeTheta' | 'headDim'>;

/**
 * The scaling behind GGUF's `rope_freqs.weight`, which holds what each frequency is divided by
 * (llama.cpp `generate_extra_tensors` of llama): 1 for fast ones, `factor` for slow ones, a blend
 * between. Low, high and context may all be multiplied by one number without any change; of the
 * equal settings the one with `lowFreqFactor` 1 is given. Accepted only if it gives every factor.
 * @throws FaultError `package/unsupported` where no setting does.
 */
export function llama3FromFactors(factors: Float32Array, rope: Rope): Llama3RopeScaling | null {
  if (factors.every((value) => value === 1)) return null;
  const factor = factors.reduce((max, value) => Math.max(max, value), 0);
  const usual = CONTEXTS.map((originalContext): Llama3RopeScaling => {
    return { kind: 'llama3', factor, lowFreqFactor: 1, highFreqFactor: 4, originalContext };
  });
  const found = [...usual, ...solved(factors, factor, rope)].find((candidate) =>
    factors.every((value, i) => isGiven(candidate, turnsAt(rope, i), value)),
  );
  if (found && factor > 1) return found;
  throw new FaultError('package/unsupported', 'rope_freqs.weight holds no factors of llama3');
}

/** Turns that frequency `i` makes a position. */
const turnsAt = ({ ropeTheta, headDim }: Rope, i: number): number =>
  ropeTheta ** ((-2 * i) / headDim) / (2 * Math.PI);

/** Share of the plain frequency in a blend: 1 for the fast ones, 0 for the slow ones. */
const shareOf = (value: number, factor: number): number =>
  (1 / value - 1 / factor) / (1 - 1 / factor);

function isGiven(scaling: Llama3RopeScaling, turns: number, value: number): boolean {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalContext } = scaling;
  const share = (originalContext * turns - low) / (high - low);
  return Math.abs(shareOf(value, factor) - Math.min(Math.max(share, 0), 1)) <= TOLERANCE;
}

/** The share grows evenly with the turns: two blended frequencies tell where it begins and ends. */
function solved(factors: Float32Array, factor: number, rope: Rope): Llama3RopeScaling[] {
  const blended = [...factors]
    .map((value, i) => ({ share: shareOf(value, factor), turns: turnsAt(rope, i) }))
    .filter(({ share }) => share > TOLERANCE && share < 1 - TOLERANCE);
  const [first, last] = [blended.at(0), blended.at(-1)];
  if (!first || !last || first === last) return [];
  const slope = (first.share - last.share) / (first.turns - last.turns);
  const atNone = first.share - slope * first.turns;
  const originalContext = Math.round(-slope / atNone);
  const highFreqFactor = Math.round((1 - 1 / atNone) * 1000) / 1000;
  if (!(originalContext >= 1 && highFreqFactor > 1)) return [];
  return [{ kind: 'llama3', factor, lowFreqFactor: 1, highFreqFactor, originalContext }];
}
