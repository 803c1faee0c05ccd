import type { Penalties, TokenHistory } from './params.ts';

/**
 * Changes `logits` as the penalties say. Each change is rounded to fp32 as it is stored, in a fixed
 * order: the same bits on every machine.
 */
export function penalise(
  logits: Float32Array,
  { repetition, presence, frequency, bias }: Penalties,
  { promptIds, answerIds }: TokenHistory,
): void {
  const change = (id: number, to: (logit: number) => number): void => {
    const logit = logits[id];
    if (logit !== undefined) logits[id] = to(logit);
  };
  for (const [id, by] of bias) change(id, (logit) => logit + by);
  if (repetition !== 1) {
    for (const id of new Set([...promptIds, ...answerIds])) {
      change(id, (logit) => (logit > 0 ? logit / repetition : logit * repetition));
    }
  }
  if (presence === 0 && frequency === 0) return;
  for (const [id, count] of countsOf(answerIds)) {
    change(id, (logit) => logit - presence - frequency * count);
  }
}

/** How often each id stands in `ids`. */
export function countsOf(ids: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
