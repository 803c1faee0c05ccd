import { readdirSync, readFileSync } from 'node:fs';

const KIB = 1024;

export interface Watched {
  readonly name: string;
  readonly pid: number;
  /** A Node process that collects its garbage on SIGUSR2 (`collect-garbage.mjs`). */
  readonly collects: boolean;
  /** Whether its growth counts; the others are shown. */
  readonly judged: boolean;
}

export interface Sample {
  readonly atMs: number;
  /** Resident memory. */
  readonly bytes: number;
  /** Open file descriptors: sockets, pipes, files. */
  readonly handles: number;
  /** Read just after its garbage was collected, or of a process that cannot be told to. */
  readonly floor: boolean;
}

/** @throws Error where the process is gone. */
export function readProcess(pid: number): { readonly bytes: number; readonly handles: number } {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has ended`);
  return { bytes: Number(kib) * KIB, handles: readdirSync(`/proc/${pid}/fd`).length };
}

/** When memory is compared: the minutes after the first ones, and the last. */
export interface Windows {
  readonly settledMs: number;
  readonly lengthMs: number;
  readonly endMs: number;
}

const WARM_UP_MS_MAX = 5 * 60_000;
const WINDOW_MS_MAX = 3 * 60_000;

export function windowsOf(minutes: number): Windows {
  const endMs = minutes * 60_000;
  const settledMs = Math.min(WARM_UP_MS_MAX, endMs / 3);
  return { settledMs, lengthMs: Math.min(WINDOW_MS_MAX, (endMs - settledMs) / 3), endMs };
}

export const isInWindow = (at: number, { settledMs, lengthMs, endMs }: Windows): boolean =>
  (at >= settledMs && at < settledMs + lengthMs) || at >= endMs - lengthMs;

export interface Growth {
  readonly beforeBytes: number;
  readonly afterBytes: number;
  /** Share of `beforeBytes`; negative where it shrank. */
  readonly share: number;
  /** The most that was resident between the windows, garbage included. */
  readonly peakBytes: number;
  readonly handlesBefore: number;
  readonly handlesAfter: number;
  readonly handlesPeak: number;
}

/** Handles of a process while only those that stay are here, garbage collected. */
export interface Rest {
  readonly before: number;
  readonly after: number;
}

/**
 * Of memory the least of each window is compared: what is held is there in every sample, what waits
 * for collection, a prompt or a shard that comes and goes is missing in some. Handles, a link's
 * dozen among them, are compared at rest. Null where a window has no sample.
 */
export function growthOf(samples: readonly Sample[], windows: Windows, rest: Rest): Growth | null {
  const { settledMs, lengthMs, endMs } = windows;
  const within = (fromMs: number, toMs: number): Sample[] =>
    samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  const before = within(settledMs, settledMs + lengthMs);
  const after = within(endMs - lengthMs, Infinity);
  const later = within(settledMs, Infinity);
  const [beforeBytes = Infinity, afterBytes = Infinity] = [before, after].map((of) =>
    Math.min(...of.filter(({ floor }) => floor).map(({ bytes }) => bytes)),
  );
  if (beforeBytes === Infinity || afterBytes === Infinity) return null;
  return {
    beforeBytes,
    afterBytes,
    share: afterBytes / beforeBytes - 1,
    peakBytes: Math.max(...later.map(({ bytes }) => bytes)),
    handlesBefore: rest.before,
    handlesAfter: rest.after,
    handlesPeak: Math.max(...later.map(({ handles }) => handles)),
  };
}

const GROWTH_SHARE_MAX = 0.1;
/** A leak of one handle a visit is a hundred by the end; what is opened once, at need, is less than this. */
const HANDLES_GROWN_MAX = 8;

/** What of a process misses a bar, in words. */
export function missedBy(growth: Growth | null): string[] {
  if (!growth) return ['was not there to the end'];
  const { share, handlesBefore, handlesAfter } = growth;
  return [
    ...(share <= GROWTH_SHARE_MAX ? [] : [`grew by ${(100 * share).toFixed(1)} %`]),
    ...(handlesAfter - handlesBefore <= HANDLES_GROWN_MAX
      ? []
      : [`${handlesAfter - handlesBefore} handles more`]),
  ];
}
