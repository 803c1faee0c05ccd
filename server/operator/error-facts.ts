import { InvariantError } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';

/** What the log says of an error. */
export interface ErrorFacts {
  readonly name: string;
  readonly code?: string;
  /** Only of our own errors: a parser's or a library's message may quote what a person wrote. */
  readonly message?: string;
  readonly at: readonly string[];
  readonly cause?: ErrorFacts;
}

const DEPTH_MAX = 4;
const FRAMES_MAX = 12;

export function errorFacts(error: unknown, depth = 1): ErrorFacts {
  if (!(error instanceof Error)) return { name: typeof error, at: [] };
  const isOurs = isFault(error) || error instanceof InvariantError;
  return {
    name: error.name,
    ...(isFault(error) ? { code: error.code } : {}),
    ...(isOurs ? { message: error.message } : {}),
    at: framesOf(error),
    ...(error.cause !== undefined && depth < DEPTH_MAX
      ? { cause: errorFacts(error.cause, depth + 1) }
      : {}),
  };
}

/** The stack behind its head, which is the message: no frames where that cannot be told apart. */
function framesOf({ message, stack = '' }: Error): string[] {
  const head = stack.indexOf(message);
  if (head < 0) return [];
  return stack
    .slice(head + message.length)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at '))
    .slice(0, FRAMES_MAX);
}
