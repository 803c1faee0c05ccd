import type { FaultCode } from '#lib/kernel/errors.ts';
import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { LossCause } from './state.ts';

/** What the operator sees, one structured line each; never a word of a prompt or an answer. */
export type LogEntry =
  | { readonly event: 'node-joined'; readonly node: NodeId; readonly device: string }
  | { readonly event: 'node-lost'; readonly node: NodeId; readonly cause: LossCause }
  | { readonly event: 'load-failed'; readonly node: NodeId; readonly code: FaultCode }
  /** Answers over the node take so many times what it measured itself (P3). */
  | { readonly event: 'node-slow'; readonly node: NodeId; readonly timesPredicted: number }
  | { readonly event: 'known-answer-failed'; readonly node: NodeId; readonly layers: string }
  | { readonly event: 'recompute-failed'; readonly layers: string; readonly code: FaultCode }
  | {
      readonly event: 'plan';
      readonly stages: string;
      readonly why: 'nodes' | 'speed';
    }
  /**
   * Milliseconds of a reader's pause: `totalMs` from the token before to the next one, which the four
   * phases make up. Detect: until a holder is known to be lost (in a prefill: since its begin). Plan:
   * until the last route of this failover is found. Load: until its holders have their layers in
   * memory. Replay: lost KV is computed again, and one token.
   */
  | {
      readonly event: 'failover';
      readonly session: SessionId;
      readonly epoch: number;
      readonly node: NodeId;
      readonly cause: LossCause;
      readonly detectMs: number;
      readonly planMs: number;
      readonly loadMs: number;
      readonly replayMs: number;
      readonly totalMs: number;
    };

export type FailoverEntry = Extract<LogEntry, { event: 'failover' }>;

export interface Log {
  write(entry: LogEntry): void;
}
