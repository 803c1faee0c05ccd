import { invariant, must } from '#lib/kernel/assert.ts';

/**
 * Hidden rows that a place computed, kept to be sent and sent again (S5): consecutive positions
 * from `from` to `to`, in blocks of equal size so that growing never copies and the oldest rows
 * can go first. Changed in place: a session's rows are megabytes.
 */
export interface KeptRows {
  /** First position still here. */
  from: number;
  /** One past the last. */
  to: number;
  /** Rows of a block. */
  readonly blockRows: number;
  /** Values a row; 0 before the first append. */
  width: number;
  /** Position of the first row of `blocks[0]`. */
  base: number;
  blocks: Float32Array[];
}

export const emptyRows = (at: number, blockRows: number): KeptRows => ({
  blockRows,
  from: at,
  to: at,
  width: 0,
  base: at,
  blocks: [],
});

export const keptBytes = (kept: KeptRows): number =>
  kept.blocks.length * kept.blockRows * kept.width * 4;

/** Appends [rows × width] values at `kept.to`. */
export function appendRows(kept: KeptRows, data: Float32Array, rows: number): void {
  const width = data.length / rows;
  invariant(Number.isInteger(width) && width > 0, 'kept rows have a width');
  invariant(kept.width === 0 || kept.width === width, 'all rows of a place have one width');
  kept.width = width;
  for (let row = 0; row < rows;) {
    const offset = kept.to - kept.base;
    const block = Math.floor(offset / kept.blockRows);
    const within = offset % kept.blockRows;
    if (block === kept.blocks.length) {
      kept.blocks.push(new Float32Array(kept.blockRows * width));
    }
    const count = Math.min(rows - row, kept.blockRows - within);
    const target = must(kept.blocks[block], 'a block for every row');
    target.set(data.subarray(row * width, (row + count) * width), within * width);
    row += count;
    kept.to += count;
  }
}

/** A copy of rows [first, first + rows): the receiver may keep or transfer it. */
export function copyRows(kept: KeptRows, first: number, rows: number): Float32Array {
  invariant(first >= kept.from && first + rows <= kept.to, 'only rows that are kept are sent');
  const out = new Float32Array(rows * kept.width);
  for (let row = 0; row < rows;) {
    const offset = first + row - kept.base;
    const within = offset % kept.blockRows;
    const block = must(kept.blocks[Math.floor(offset / kept.blockRows)], 'a kept block');
    const count = Math.min(rows - row, kept.blockRows - within);
    const start = within * kept.width;
    out.set(block.subarray(start, start + count * kept.width), row * kept.width);
    row += count;
  }
  return out;
}

/** Forgets rows at positions ≥ `length` (S3). Afterwards `to` ≤ `length`. */
export function truncateRows(kept: KeptRows, length: number): void {
  if (length >= kept.to) return;
  if (length <= kept.from) {
    Object.assign(kept, { ...emptyRows(length, kept.blockRows), width: kept.width });
    return;
  }
  kept.to = length;
  kept.blocks.length = Math.ceil((length - kept.base) / kept.blockRows);
}

/** Gives the oldest block back if all its rows are below `position`; returns true where it did. */
export function dropOldest(kept: KeptRows, position: number): boolean {
  const next = kept.base + kept.blockRows;
  if (next > Math.min(position, kept.to)) return false;
  kept.blocks.shift();
  kept.base = next;
  kept.from = next;
  return true;
}
