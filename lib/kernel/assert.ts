/** A broken promise of our own code: stops the runtime it happens in, in production too. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/**
 * Throws {@link InvariantError} where `condition` is false.
 * For what our own code guarantees; what the world sends wrong is a `FaultError`.
 */
export function invariant(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new InvariantError(`broken invariant: ${claim}`);
}

/** The end of an exhaustive `switch`: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable case: ${JSON.stringify(value)}`);
}

/** The value, where our own code guarantees that it is there. */
export function must<T>(value: T | null | undefined, claim: string): T {
  invariant(value !== null && value !== undefined, claim);
  return value;
}
