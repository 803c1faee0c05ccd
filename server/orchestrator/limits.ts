import { invariant } from '#lib/kernel/assert.ts';
import { RING, TIMES } from '#lib/shard/wire/limits.ts';

/** Bounds and times of the orchestrator; each with what it defends. */
export const ORCHESTRATOR = {
  /** Liveness and deadlines are looked at this often. */
  tickEveryMs: 100,
  /** A socket that closed may come back within this; a closed page does not (V1). */
  graceMs: 500,
  /** What a gap between two ticks has beyond this is our own standing still. */
  stallMs: 1_000,
  /** A lost node stays on the status page so long. */
  lostShownMs: 15_000,
  /** Nodes that may still come: tabs are opened one after the other. */
  patienceMs: 10_000,
  /** So long a hole is left to its take-over before the cut is made smaller. */
  coveredPatienceMs: 60_000,
  /** Routes remembered for what they computed, and names of pages of all of them together. */
  prefixRoutesMax: 1_024,
  prefixPagesMax: 1 << 16,
  /** Acks of a node's sessions leave together (S7): after so many tokens of one, a quarter of its window … */
  ackTokensMax: 4,
  /** … or after this: each message wakes a tab's two threads and its browser. */
  ackWaitMs: 100,
  /** How often a cut for speed is looked for (P3). */
  speedCheckMs: 5_000,
  /** Live steps this much slower than predicted are a slow-down, less is noise (P3). */
  slowdownMin: 2,
  /** Requests that wait. */
  queueMax: 64,
  queueWaitMs: 60_000,
  /** A node's sessions: past this, batches gain little (16 sessions: 1.5×). */
  sessionsPerNodeMax: 16,
  /** New positions that admission reserves KV for; S11 deals with longer answers. */
  reservedNewMax: 512,
  /** Rows of a known answer: all row kernels of the CPU stage take part (M7). */
  knownRows: 8,
  knownAnswerMs: 20_000,
  /** A failed recomputation is tried again after this. */
  recheckMs: 2_000,
  /** A node at work is checked again after about this long (M7: at random after). */
  auditEveryMs: 600_000,
  /** Ranges of one node that are remembered: loaded and cached ones. */
  rangesMax: 64,
  /** Recomputed digests kept: ranges of a cut, and of the cuts before it. */
  expectedMax: 256,
  /** Up to so many nodes everybody is linked with everybody. */
  fullMeshMax: 8,
  linksPerNodeMax: 32,
  /** A link that does not open within this is introduced again: direct 5 s, then the relay. */
  linkOpenMs: 12_000,
  linkRetryFirstMs: 200,
  linkRetryMsMax: 30_000,
} as const;

invariant(
  2 * ORCHESTRATOR.graceMs <= TIMES.silenceDeadMs &&
    2 * ORCHESTRATOR.tickEveryMs <= ORCHESTRATOR.graceMs,
  'a closed socket is noticed sooner than silence',
);
invariant(
  2 * ORCHESTRATOR.ackTokensMax <= RING.unackedTokensMax,
  'acks leave while half of the window is open',
);
invariant(ORCHESTRATOR.lostShownMs + 1_000 <= 30_000, 'a lost node leaves the list within 30 s');
