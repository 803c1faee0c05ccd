/** Numbers for people. Pure; the same on every locale, so that pages and tests agree. */

/** `0 B`, `640 KB`, `82.4 MB`, `1.20 GB` (powers of 1 000, as disks and networks are sold). */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${String(Math.round(bytes))} B`;
  if (bytes < 999_500) return `${String(Math.round(bytes / 1_000))} KB`;
  if (bytes < 99_950_000) return `${(bytes / 1e6).toFixed(1)} MB`;
  if (bytes < 999_500_000) return `${String(Math.round(bytes / 1e6))} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/** A length of time in milliseconds: `84 ms`, `1.2 s`, `48 s`, `3 min`. */
export function formatMs(ms: number): string {
  if (ms < 999.5) return `${String(Math.round(ms))} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 89_500) return `${String(Math.round(ms / 1_000))} s`;
  return `${String(Math.round(ms / 60_000))} min`;
}

/** `3.4`, `28`, `121`: three digits at most where they carry weight. */
export const formatRate = (perSecond: number): string =>
  perSecond < 9.95 ? perSecond.toFixed(1) : String(Math.round(perSecond));

export const formatCount = (count: number, noun: string): string =>
  `${String(count)} ${noun}${count === 1 ? '' : 's'}`;

/** `layer 3` or `layers 10–19`; both ends inclusive, counted from 0. */
export const formatLayers = (first: number, last: number): string =>
  first === last ? `layer ${String(first)}` : `layers ${String(first)}–${String(last)}`;

/** First 6 digits of a hexadecimal id: enough to tell nodes of one network apart. */
export const shortId = (id: string): string => id.slice(0, 6);
