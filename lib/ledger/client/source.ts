import type { Reply } from './wire/answers.ts';
import type { Question } from './wire/requests.ts';

/** Who answers one question after another: a gateway over HTTP, a replica's link, a file, a test. */
export interface Source {
  /** For people: an address or a path. */
  readonly name: string;
  /**
   * The answer, decoded and within bounds; nothing in it is verified.
   * @throws FaultError where there is none: `kernel/timeout`, `wire/malformed`, `server/…`, a refusal's.
   */
  ask(question: Question): Promise<Reply>;
}
