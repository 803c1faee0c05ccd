import { logprobsOf } from './sampling/logprobs.ts';
import type { SamplingParams } from './sampling/params.ts';
import { sample, type SamplePoint } from './sampling/sample.ts';
import type { Sampled, SegmentResult, Want } from './stage.ts';

/**
 * What a stage with the head gives of a row's logits [vocab] where an id is to be sampled. The
 * logits are changed. Log probabilities are the model's own: penalties come afterwards.
 */
export function choose(
  logits: Float32Array,
  want: Extract<Want, { kind: 'sample' }>,
): Pick<SegmentResult, 'sampledId' | 'logprobs'> {
  const { id, ...told } = chooseAt(logits, want.params, want);
  return { sampledId: id, ...told };
}

/** As {@link choose}, of one row of many. */
export function chooseAt(
  logits: Float32Array,
  params: SamplingParams,
  point: SamplePoint,
): Sampled {
  const { logprobs } = params;
  if (logprobs === null) return { id: sample(logits, params, point) };
  const own = logits.slice();
  const id = sample(logits, params, point);
  return { id, logprobs: logprobsOf(own, id, logprobs) };
}
