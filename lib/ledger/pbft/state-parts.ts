import type { AppPart, Application } from './types.ts';

/** A piece of a state: its bytes are made when they are asked for, its hash is known before. */
export interface StatePart {
  /** SHA-256 of the bytes. */
  readonly hash: Uint8Array;
  readonly bytes: () => Uint8Array;
}

/** Parts as they lie on disk, made ready for `restore`; null where one is none. */
export function readParts(
  application: Application,
  parts: readonly Uint8Array[],
): AppPart[] | null {
  const read: AppPart[] = [];
  for (const bytes of parts) {
    const part = application.readPart(bytes);
    if (part === null) return null;
    read.push(part);
  }
  return read;
}

/** A state's parts as they lie on disk. */
export const partBytes = (parts: Iterable<StatePart>): Uint8Array[] =>
  Array.from(parts, (part) => part.bytes());
