/** Bounds of sampling parameters; OpenAI's, where it has one. */
export const SAMPLING = {
  /** Presence and frequency, either way. */
  penaltyMax: 2,
  repetitionMin: 0.01,
  repetitionMax: 10,
  /** Either way: ±100 forbids or forces an id. */
  biasMax: 100,
  biasedIdsMax: 1024,
  /** Likely ids told with each token. */
  logprobsMax: 20,
} as const;
