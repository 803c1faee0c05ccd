import type { RoutePlace } from './wire.ts';

/** Why an answer ended badly; `code` is the gateway's, or one of `LOCAL_CODES`. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** When asking again makes sense, ms since the epoch; null: at once. */
  readonly retryAt: number | null;
}

/** Faults that the page finds by itself. */
export const LOCAL_CODES = { offline: 'page.offline', unreadable: 'page.unreadable' } as const;

export type AnswerPhase =
  /** Sent; nothing has come back. */
  | { readonly type: 'asking' }
  | { readonly type: 'streaming' }
  /** The connection broke; the answer is being read on from where it stopped. */
  | { readonly type: 'reconnecting' }
  | { readonly type: 'done'; readonly finish: string }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly failure: Failure };

/** Something that happened to an answer on its way, shown under its text. */
export interface Mark {
  readonly type: 'moved' | 'resumed';
  /** Index of the first token after it. */
  readonly at: number;
}

/**
 * One answer, as the page shows it and as dexie keeps it: enough to read it on after a reload, and
 * to go on at another gateway when this one has died (S13). Immutable.
 */
export interface AnswerState {
  readonly phase: AnswerPhase;
  readonly model: string;
  /** Chosen here, so that asking again gives the same tokens (S8). */
  readonly seed: number;
  /** Name at the gateway; null before the first chunk, and once the gateway has forgotten it. */
  readonly answerId: string | null;
  readonly promptIds: readonly number[];
  /** In order; their number is the index that is read on from. */
  readonly acceptedIds: readonly number[];
  readonly text: string;
  readonly marks: readonly Mark[];
  readonly route: readonly RoutePlace[];
  /** Milliseconds since the epoch. */
  readonly askedAt: number;
  readonly firstTokenAt: number | null;
  readonly lastTokenAt: number | null;
}

export const newAnswer = (model: string, seed: number, now: number): AnswerState => ({
  phase: { type: 'asking' },
  model,
  seed,
  answerId: null,
  promptIds: [],
  acceptedIds: [],
  text: '',
  marks: [],
  route: [],
  askedAt: now,
  firstTokenAt: null,
  lastTokenAt: null,
});

/** Nothing more will come: done, stopped or failed. */
export function hasEnded(answer: AnswerState): boolean {
  const { type } = answer.phase;
  return type === 'done' || type === 'stopped' || type === 'failed';
}

export interface AnswerFacts {
  /** Time to first token, milliseconds. */
  readonly ttftMs: number | null;
  readonly tokensPerSecond: number | null;
  readonly tokens: number;
}

/** Decode speed counts from the first token to the last, so the prompt's prefill stays out. */
export function factsOf(answer: AnswerState): AnswerFacts {
  const { askedAt, firstTokenAt, lastTokenAt, acceptedIds } = answer;
  const tokens = acceptedIds.length;
  if (firstTokenAt === null || lastTokenAt === null) {
    return { ttftMs: null, tokensPerSecond: null, tokens };
  }
  const seconds = (lastTokenAt - firstTokenAt) / 1_000;
  return {
    ttftMs: firstTokenAt - askedAt,
    tokensPerSecond: tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : null,
    tokens,
  };
}
