import type { LossReport } from '#lib/shard/package/import/losses.ts';

/** Digits enough to tell losses apart, and no more. */
const percent = (share: number): string => `${(100 * share).toPrecision(2)} % lost`;

/** What an import's conversions cost: a line for each kind of tensor, and one for all together. */
export function lossLines({ tensors, relativeRms }: LossReport): string[] {
  const lossy = tensors.filter((loss) => loss.relativeRms > 0);
  if (lossy.length === 0) return [];
  const width = Math.max(...lossy.map(({ tensor }) => tensor.length));
  return [
    ...lossy.map(({ tensor, from, to, ...loss }) =>
      ['  ', tensor.padEnd(width), `  ${from} → ${to}  `, percent(loss.relativeRms)].join(''),
    ),
    `  of all converted weights: ${percent(relativeRms)} (RMS of the errors over that of the values)`,
  ];
}
