import { createReadStream } from 'node:fs';
import { FaultError, isFault } from '#lib/kernel/errors.ts';

/**
 * A file, or what a pipe brings, whole; given up as soon as it is longer than it may be.
 * @throws FaultError `server/config` with why it cannot be read, `wire/too-large`
 */
export async function readBounded(file: string, bytesMax: number): Promise<Uint8Array> {
  try {
    return await collected(createReadStream(file, { end: bytesMax }), { name: file, bytesMax });
  } catch (cause) {
    if (isFault(cause)) throw cause;
    throw new FaultError('server/config', `cannot read ${file}: ${reasonOf(cause)}`, { cause });
  }
}

/** @throws FaultError `wire/too-large` */
export async function collected(
  from: AsyncIterable<unknown>,
  of: { readonly name: string; readonly bytesMax: number },
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of from as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > of.bytesMax) {
      throw new FaultError(
        'wire/too-large',
        `${of.name} is too long: ${of.bytesMax} bytes at most`,
      );
    }
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** The innermost, where an error only says that it has a cause: `fetch failed`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
