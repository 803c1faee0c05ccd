/** What a checker can find wrong. */
export type Check =
  /** A wrong, missing, doubled or late-ended token. */
  | 'token'
  /** The seam of the stage's core was not kept. */
  | 'contract'
  /** Pages, kept bytes, run-ahead or a window beyond its limit. */
  | 'budget'
  /** A row computed, a token sampled or an order given twice in one epoch. */
  | 'twice'
  /** An answer neither came nor failed. */
  | 'hang'
  /** An answer came later than its trouble explains. */
  | 'slow'
  | 'lost'
  /** What an ended incarnation or an older epoch said had a consequence. */
  | 'fence'
  /** An owner did what its rules forbid, or did not what they ask. */
  | 'order'
  /** Placement moved a living stage or left layers out. */
  | 'route'
  /** The reader saw a stop string, or not all of the text before it. */
  | 'text'
  /** A node was declared that did nothing wrong. */
  | 'blame'
  /** A node holds something of a session that is not its own any more. */
  | 'leftover'
  /** Our own code broke a promise. */
  | 'invariant';

/** The run stops here, and its seed is printed. */
export class SimFailure extends Error {
  override readonly name = 'SimFailure';
  readonly check: Check;

  constructor(check: Check, message: string) {
    super(`${check}: ${message}`);
    this.check = check;
  }
}
