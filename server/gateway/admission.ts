import type { GatewayConfig } from './limits.ts';

/**
 * Whether one more answer may be opened. Pure: the state is what is open now, and its numbers are
 * the ones that `x-ratelimit-*` tells, so a client that believes them is right.
 */
export interface AdmissionState {
  /** Sessions of answers that run or wait. */
  readonly open: number;
  /** Their prompt tokens and possible answer tokens together. */
  readonly openTokens: number;
  /** Smoothed time of one answer, milliseconds. */
  readonly answerMs: number;
}

export type AdmissionBounds = Pick<
  GatewayConfig,
  'answersOpenMax' | 'tokensOpenMax' | 'retryAfterSecondsMax' | 'answerMsGuess'
>;

/** `Answers.load()`. */
export interface ClusterLoad {
  readonly running: number;
  readonly queued: number;
  readonly queuedMax: number;
}

export interface Quota {
  readonly requests: { readonly limit: number; readonly remaining: number };
  readonly tokens: { readonly limit: number; readonly remaining: number };
  /** Until everything that is open now has probably ended, milliseconds. */
  readonly resetMs: number;
}

/** What an answer takes of the room. */
export interface AnswerSize {
  /** Sessions: one a choice. */
  readonly sessions: number;
  /** Prompt and possible answer of all of them. */
  readonly tokens: number;
}

/** Weight of the newest answer in the smoothed time. */
const SMOOTHING = 0.2;

export const emptyAdmission = (bounds: AdmissionBounds): AdmissionState => ({
  open: 0,
  openTokens: 0,
  answerMs: bounds.answerMsGuess,
});

/** The state with the answer in it, or `null` where it must be refused. */
export function admit(
  state: AdmissionState,
  { sessions, tokens }: AnswerSize,
  bounds: AdmissionBounds,
): AdmissionState | null {
  const open = state.open + sessions;
  const openTokens = state.openTokens + tokens;
  if (open > bounds.answersOpenMax || openTokens > bounds.tokensOpenMax) return null;
  return { ...state, open, openTokens };
}

/** An admitted answer ended after `elapsedMs`; one that never started tells nothing (`null`). */
export function release(
  state: AdmissionState,
  { sessions, tokens }: AnswerSize,
  elapsedMs: number | null,
): AdmissionState {
  const drift = elapsedMs === null ? 0 : (elapsedMs - state.answerMs) * SMOOTHING;
  return {
    open: state.open - sessions,
    openTokens: state.openTokens - tokens,
    answerMs: state.answerMs + drift,
  };
}

export function quotaOf(state: AdmissionState, load: ClusterLoad, bounds: AdmissionBounds): Quota {
  const limit = Math.min(bounds.answersOpenMax, load.running + load.queuedMax);
  const places = Math.min(bounds.answersOpenMax - state.open, load.queuedMax - load.queued);
  const rounds = Math.ceil((load.running + load.queued) / Math.max(1, load.running));
  return {
    requests: { limit, remaining: Math.min(limit, Math.max(0, places)) },
    tokens: {
      limit: bounds.tokensOpenMax,
      remaining: Math.max(0, bounds.tokensOpenMax - state.openTokens),
    },
    resetMs: state.open === 0 ? 0 : Math.round(rounds * state.answerMs),
  };
}

/** Seconds until one place of a full queue has probably become free. */
export function retryAfterSeconds(
  state: AdmissionState,
  load: ClusterLoad,
  bounds: AdmissionBounds,
): number {
  const seconds = Math.ceil(state.answerMs / Math.max(1, load.running) / 1000);
  return Math.min(bounds.retryAfterSecondsMax, Math.max(1, seconds));
}

export function quotaHeaders({ requests, tokens, resetMs }: Quota): Record<string, string> {
  return {
    'x-ratelimit-limit-requests': String(requests.limit),
    'x-ratelimit-remaining-requests': String(requests.remaining),
    'x-ratelimit-reset-requests': duration(resetMs),
    'x-ratelimit-limit-tokens': String(tokens.limit),
    'x-ratelimit-remaining-tokens': String(tokens.remaining),
    'x-ratelimit-reset-tokens': duration(resetMs),
  };
}

/** As OpenAI writes it: `120ms`, `1.5s`, `6m0s`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${Math.round(ms / 100) / 10}s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
