import * as z from 'zod/mini';
import { NODE_STATES } from '#lib/shard/wire/node-messages.ts';
import { formatCount, formatLayers } from '#components/ui/format.ts';

/**
 * What pages read of `GET /api/status` and `GET /v1/models`. Unknown members are ignored, so that a
 * page which was loaded before an update goes on working.
 */

const range = z.object({ first: z.number(), last: z.number() });

export const statusSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.string(),
      kind: z.enum(['tab', 'node']),
      state: z.enum(NODE_STATES),
    }),
  ),
  models: z.array(
    z.object({
      id: z.string(),
      layers: z.number(),
      uncovered: z.array(range),
    }),
  ),
});
export type NetworkStatus = z.infer<typeof statusSchema>;

export const modelsSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

export interface Pulse {
  readonly tone: 'good' | 'warn' | 'bad' | 'unknown';
  readonly text: string;
}

/** One short line on the network: how many nodes are there, and whether an answer can start. */
export function describePulse(status: NetworkStatus | undefined, failed: boolean): Pulse {
  if (failed) return { tone: 'bad', text: 'Server unreachable' };
  if (!status) return { tone: 'unknown', text: 'Looking …' };
  const here = status.nodes.filter(({ state }) => state !== 'lost' && state !== 'leaving');
  const count = here.length === 0 ? 'No nodes yet' : formatCount(here.length, 'node');
  const model = status.models[0];
  if (!model) return { tone: 'warn', text: `${count} · no model` };
  const gap = model.uncovered[0];
  if (!gap) return { tone: 'good', text: `${count} · model ready` };
  const whole = gap.first === 0 && gap.last === model.layers - 1;
  return {
    tone: 'warn',
    text: whole
      ? `${count} · model not loaded`
      : `${count} · ${formatLayers(gap.first, gap.last)} missing`,
  };
}
