import type { EndedAnswer } from '#server/gateway/answers/meter.ts';
import type { LogEntry } from '#server/orchestrator/log.ts';
import type { ErrorFacts } from './error-facts.ts';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The doors that turn somebody away. */
export type Door = 'api' | 'node';

/** Everything that the log may say. No entry has a place for a text, or for an address. */
export type OperatorEntry =
  | LogEntry
  | { readonly event: 'started'; readonly model: string; readonly hash: string }
  | { readonly event: 'stopping' }
  | ({ readonly event: 'answer' } & EndedAnswer)
  | { readonly event: 'refused'; readonly door: Door; readonly code: string }
  /** A fault of ours; `request` is what the client reads in `x-request-id`. */
  | { readonly event: 'fault'; readonly request: string | null; readonly error: ErrorFacts }
  /** What the built-in volunteer says of its state. */
  | { readonly event: 'volunteer'; readonly line: string }
  /** What the replicas of this machine say of theirs. */
  | { readonly event: 'ledger'; readonly line: string };

/** How loud each is; a refusal can be said a thousand times a second, so only on demand. */
export const LEVEL_OF: Readonly<Record<OperatorEntry['event'], Exclude<LogLevel, 'silent'>>> = {
  started: 'info',
  stopping: 'info',
  answer: 'info',
  refused: 'debug',
  fault: 'error',
  volunteer: 'info',
  ledger: 'info',
  'node-joined': 'info',
  'node-lost': 'info',
  plan: 'info',
  failover: 'info',
  'load-failed': 'warn',
  'node-slow': 'warn',
  'known-answer-failed': 'warn',
  'recompute-failed': 'warn',
};
