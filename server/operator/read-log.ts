import * as z from 'zod/mini';
import { nodeIdSchema, sessionIdSchema } from '#lib/shard/wire/session-messages.ts';
import type { FailoverEntry } from '#server/orchestrator/log.ts';
import { LOSS_CAUSES } from '#server/orchestrator/state.ts';

const ms = z.number().check(z.gte(0));
const failoverSchema = z.object({
  event: z.literal('failover'),
  session: sessionIdSchema,
  epoch: z.number(),
  node: nodeIdSchema,
  cause: z.enum(LOSS_CAUSES),
  detectMs: ms,
  planMs: ms,
  loadMs: ms,
  replayMs: ms,
  totalMs: ms,
});

/** The failovers that a server's output tells of, in order; other lines are passed over. */
export const failoversIn = (output: string): FailoverEntry[] =>
  output.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const parsed = failoverSchema.safeParse(jsonOf(line));
    return parsed.success ? [parsed.data] : [];
  });

/** A process that was killed leaves half a line. */
function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return null;
  }
}
