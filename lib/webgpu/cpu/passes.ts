/** Part of a segment that one pass computes. */
export interface Piece {
  /** Index of the segment in the step. */
  readonly segment: number;
  /** First row within the segment, and how many. */
  readonly offset: number;
  readonly rows: number;
  /** First row within the pass. */
  readonly passRow: number;
}

/**
 * Cuts a step's segments, in order, into passes of at most `rowsMax` rows. A row's bits do not
 * depend on where the cuts are.
 */
export function planPasses(segmentRows: readonly number[], rowsMax: number): Piece[][] {
  const passes: Piece[][] = [];
  let pass: Piece[] = [];
  let passRow = 0;
  segmentRows.forEach((total, segment) => {
    for (let offset = 0; offset < total;) {
      if (passRow === rowsMax) {
        passes.push(pass);
        pass = [];
        passRow = 0;
      }
      const rows = Math.min(total - offset, rowsMax - passRow);
      pass.push({ segment, offset, rows, passRow });
      offset += rows;
      passRow += rows;
    }
  });
  if (pass.length > 0) passes.push(pass);
  return passes;
}
