import type { InstantMs } from '#lib/kernel/units.ts';
import type { Dialect } from '../dialects/dialect.ts';
import type { ServedModel } from '../models/directory.ts';
import type { Telling } from './logprobs.ts';
import type { RetryKey } from './retry-key.ts';

/** What is fixed when an answer is admitted: the same for every reader of it. */
export interface AnswerFacts {
  /** Dialect's prefix and 32 random hex digits: whoever knows it may read and stop the answer. */
  readonly id: string;
  readonly dialect: Dialect;
  readonly model: ServedModel;
  /** When the request came, on the gateway's clock. */
  readonly askedAt: InstantMs;
  /** Unix time, seconds. */
  readonly created: number;
  readonly promptIds: readonly number[];
  readonly seed: number;
  readonly returnTokenIds: boolean;
  readonly includeUsage: boolean;
  /** Where log probabilities were asked for. */
  readonly telling: Telling | null;
  /** How long the answer outlives its last reader; 0: not at all. */
  readonly resumableMs: number;
  /** Where the client means to ask again until it has its answer. */
  readonly retryKey: RetryKey | null;
}
