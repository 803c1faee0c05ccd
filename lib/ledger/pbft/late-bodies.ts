import { toHex } from '#lib/kernel/bytes.ts';
import { keepBody, missing } from './bodies.ts';
import { castPrepare } from './casting.ts';
import { executeReady } from './execute.ts';
import { met, type Turn } from './state.ts';
import type { CheckedBatch } from './types.ts';
import { progress } from './votes.ts';

/** Only a batch that a slot waits for; its digest shows that it is the one. */
export function onBody(turn: Turn, bytes: Uint8Array): void {
  const wanted = missing(turn.state);
  if (wanted.length === 0) return;
  const batch = turn.state.env.application.checkBatch(bytes);
  if (batch === null) return;
  const key = toHex(batch.digest);
  for (const { sequence, digest } of wanted) {
    if (toHex(digest) === key) onBodyOf(turn, sequence, batch);
  }
}

/** The batch of a slot whose proposal came without it. */
export function onBodyOf(turn: Turn, sequence: number, batch: CheckedBatch): void {
  met(turn, 'R17 a batch that was lacking comes');
  keepBody(turn, sequence, batch);
  castPrepare(turn, sequence);
  progress(turn, sequence);
  executeReady(turn);
}
