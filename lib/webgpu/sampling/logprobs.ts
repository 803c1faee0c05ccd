import { takeTop } from './top.ts';

/** Natural logarithms of a token's probability, and of the likeliest ids', best first. */
export interface TokenLogprobs {
  readonly logprob: number;
  readonly top: readonly (readonly [id: number, logprob: number])[];
}

/**
 * The model's own log probabilities, before penalties and temperature, of `id` and of the `count`
 * likeliest ids. They are told, never drawn from: the host's `Math` will do.
 */
export function logprobsOf(logits: Float32Array, id: number, count: number): TokenLogprobs {
  const ids = Int32Array.from(logits.keys());
  const best = takeTop(logits, ids, Math.max(1, Math.min(count, ids.length)));
  const top = logits[best[0] as number] as number;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - top);
  const logprob = (each: number): number => (logits[each] as number) - top - Math.log(sum);
  return {
    logprob: logprob(id),
    top: Array.from(best.subarray(0, count), (each) => [each, logprob(each)] as const),
  };
}
