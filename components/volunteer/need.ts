import type { NetworkStatus } from '#components/site/status.ts';
import { formatCount, formatLayers } from '#components/ui/format.ts';

/** What one more tab would change, in one sentence. */
export function describeNeed({ models, nodes }: NetworkStatus): string {
  const model = models[0];
  if (!model) return 'This server offers no model just now.';
  const gap = model.uncovered[0];
  if (gap) {
    const layers = formatLayers(gap.first, gap.last);
    return `Nobody holds ${layers} of ${model.id} just now: your tab can bring it back.`;
  }
  const holders = nodes.filter(({ state }) => state !== 'lost' && state !== 'leaving').length;
  const held = `${model.id} is held by ${formatCount(holders, 'node')}.`;
  return `${held} One more answers more people, and takes over when one leaves.`;
}
