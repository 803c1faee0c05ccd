import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { FaultError } from '#lib/kernel/errors.ts';

/**
 * Options and operands of a command line.
 * @throws FaultError what `refuse` makes of a text that is not understood.
 */
export function parseCommandLine<T extends ParseArgsConfig>(
  config: T,
  refuse: (why: string, cause: unknown) => FaultError,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : String(cause), cause);
  }
}
