import type { DraftBook } from './draft-book.ts';
import type { DraftPace } from './draft-pace.ts';

/** Guessed for the step that comes next (`drafts.ts`). */
export interface Drafts {
  /** Position of the first. */
  readonly position: number;
  readonly ids: readonly number[];
}

export const NO_DRAFTS: Drafts = { position: 0, ids: [] };

/** What the last place guesses of an answer's ids with, and how it did. */
export interface Guesser {
  readonly book: DraftBook;
  readonly pace: DraftPace;
  /** Ids sampled in this epoch and noted, in a row from L + 1 on. */
  noted: number;
}
