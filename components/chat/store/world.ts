import type { RunWorld } from '../answer/run.ts';
import type { ChatDb } from './chat-db.ts';
import type { RequestFrame } from './thread.ts';

/** What the store needs of the browser. */
export interface ChatWorld extends RunWorld {
  readonly db: ChatDb;
  readonly requestFrame: RequestFrame;
  newId(): string;
  /** Uniform in [0, 2³¹): what an answer's sampling starts from. */
  newSeed(): number;
}
