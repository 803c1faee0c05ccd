/** Bounds of the owner's core; times shared with the stages stand in `wire/limits.ts`. */
export const SESSION = {
  /** How often the predicted time a report or token may take before it is overdue (V1). */
  deadlineFactor: 4,
  /** One pair a place of the longest route twice over: an older suspicion gives way to a new one. */
  suspectsMax: 128,
  /** So often a node may refuse what another sent it: sound rows are not refused even once. */
  refusalsMax: 2,
  /** Who refused whom: more than the places of the longest route. */
  complaintsMax: 128,
  /** Faults of one node with no token between: links that lose a frame in fifty stay below it. */
  faultsMax: 8,
  /** Epochs with no token between. Growth, too, may be a lie: this ends what nothing else does. */
  vainEpochsMax: 64,
  /** With those that a shortage of pages ended: sessions that want more than there is take turns. */
  vainRoomsMax: 1024,
} as const;
