import { knownAnswer, seededSegment } from './known-answer.ts';
import type { Stage } from './stage.ts';

/**
 * Prefill and decode once before a node says ready: engines compile at first use, and a browser's
 * WASM tiers up while these run.
 * @throws FaultError `engine/…`.
 */
export async function warmUp(stage: Stage, seed: number): Promise<void> {
  for (const rows of stage.warmUpRows) await knownAnswer(stage, seed, rows + 1);
  for (const sessions of stage.warmUpSessions) await together(stage, seed, sessions);
}

/** A row each of so many sessions, in one step. */
async function together(stage: Stage, seed: number, sessions: number): Promise<void> {
  const kvs = Array.from({ length: sessions }, () => stage.openKv());
  try {
    await stage.step(kvs.map((kv) => seededSegment({ stage, kv, seed }, 0, 1)));
  } finally {
    for (const kv of kvs) stage.closeKv(kv);
  }
}
