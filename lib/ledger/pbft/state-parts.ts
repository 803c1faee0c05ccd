import type { AppPart, Application, StatePart } from './types.ts';

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
