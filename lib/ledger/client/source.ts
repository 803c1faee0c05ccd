import { FaultError } from '#lib/kernel/errors.ts';
import type { Reply } from './wire/answers.ts';
import { refusalFault } from './wire/codes.ts';
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

export type ReplyOf<T extends Reply['type']> = Reply & { readonly type: T };

/** The answer of the kind that the question has. @throws FaultError the refusal's, `wire/malformed`. */
export async function askFor<T extends Reply['type']>(
  source: Source,
  type: T,
  question: Question,
): Promise<ReplyOf<T>> {
  return replyOf(await source.ask(question), type);
}

/** @throws FaultError the refusal's, `wire/malformed` where it is of another kind */
export function replyOf<T extends Reply['type']>(reply: Reply, type: T): ReplyOf<T> {
  if (reply.type === 'refused') throw refusalFault(reply.code, reply.retryAfterMs);
  if (reply.type !== type) throw new FaultError('wire/malformed', 'an answer to something else');
  return reply as ReplyOf<T>;
}
