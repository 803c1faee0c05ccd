import { FaultError } from '#lib/kernel/errors.ts';

/** Bytes `start` … `end` of a file (end exclusive) that a tensor claims. */
export interface Extent {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Extents in file order.
 * @throws FaultError `package/malformed` where one leaves the file or lies over another.
 */
export function refuseOverlap(extents: readonly Extent[], fileBytes: number): Extent[] {
  const sorted = [...extents].sort((a, b) => a.start - b.start || a.end - b.end);
  let end = 0;
  for (const extent of sorted) {
    if (extent.start < end) {
      throw new FaultError('package/malformed', `tensor ${extent.name} lies over another`);
    }
    if (extent.end > fileBytes) {
      throw new FaultError('package/malformed', `tensor ${extent.name} ends beyond the file`);
    }
    end = extent.end;
  }
  return sorted;
}
