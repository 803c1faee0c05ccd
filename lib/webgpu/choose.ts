import { logprobsOf } from './sampling/logprobs.ts';
import { sample } from './sampling/sample.ts';
import type { SegmentResult, Want } from './stage.ts';

/**
 * What a stage with the head gives of a row's logits [vocab] where an id is to be sampled. The
 * logits are changed. Log probabilities are the model's own: penalties come afterwards.
 */
export function choose(
  logits: Float32Array,
  want: Extract<Want, { kind: 'sample' }>,
): Pick<SegmentResult, 'sampledId' | 'logprobs'> {
  const { logprobs } = want.params;
  if (logprobs === null) return { sampledId: sample(logits, want.params, want) };
  const own = logits.slice();
  const sampledId = sample(logits, want.params, want);
  return { sampledId, logprobs: logprobsOf(own, sampledId, logprobs) };
}
