/** Bounds of the owner's core; times shared with the stages stand in `wire/limits.ts`. */
export const SESSION = {
  /** How often the predicted time a report or token may take before it is overdue (V1). */
  deadlineFactor: 4,
  /** One pair a place of the longest route twice over: an older suspicion gives way to a new one. */
  suspectsMax: 128,
} as const;
