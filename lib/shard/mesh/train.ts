import { later, type InstantMs } from '#lib/kernel/units.ts';
import { MESH } from './limits.ts';

/**
 * How fast a direct link is, of trains: messages sent back to back while both ends are idle, on the
 * channel whose reader is a thread that does not compute. How close together they arrive is what the
 * line takes for their bytes, whatever its round trip (packet dispersion; Dovrolis, Ramanathan and
 * Moore, 2001). Pure; never changed in place.
 */
export interface LinkSpeed {
  /** Of the latest train; 0 before the first. */
  readonly round: number;
  /** When it left, while it is on its way. */
  readonly sentAt: InstantMs | null;
  /** Trains before it that nobody answered, one after the other. */
  readonly lost: number;
  /** Bytes a millisecond, the latest last. */
  readonly samples: readonly number[];
  readonly sampledAt: InstantMs;
}

export const NEW_SPEED: LinkSpeed = {
  round: 0,
  sentAt: null,
  lost: 0,
  samples: [],
  sampledAt: 0 as InstantMs,
};

/** A message of a train: which of how many, and its bytes. */
export interface Car {
  readonly round: number;
  readonly at: number;
  readonly of: number;
}

/** Whether a train should leave now: a few one after the other, then one a minute. */
export function isTrainDue(
  { sentAt, lost, samples, sampledAt }: LinkSpeed,
  now: InstantMs,
): boolean {
  // A peer that is not idle says nothing of it: its line has better things to carry, so each is later.
  if (sentAt !== null) {
    return now >= later(sentAt, Math.min(MESH.trainLostMs * 2 ** lost, MESH.trainEveryMs));
  }
  return samples.length < MESH.speedSamplesMax || now >= later(sampledAt, MESH.trainEveryMs);
}

/** The next train: its messages, to be sent at once. Short ones over what is slow or not known yet. */
export function nextTrain(
  speed: LinkSpeed,
  now: InstantMs,
): { readonly speed: LinkSpeed; readonly cars: readonly Car[] } {
  const round = speed.round + 1;
  const latest = speed.samples.at(-1) ?? 0;
  const of = latest < MESH.shortTrainBytesPerMs ? MESH.trainCarsMin : MESH.trainCarsMax;
  const cars = Array.from({ length: of }, (_, at) => ({ round, at, of }));
  const lost = speed.sentAt === null ? 0 : speed.lost + 1;
  return { speed: { ...speed, round, sentAt: now, lost }, cars };
}

/** The peer's word of a train. */
export function trainTold(
  speed: LinkSpeed,
  told: { readonly round: number; readonly bytesPerMs: number },
  now: InstantMs,
): LinkSpeed {
  if (told.round !== speed.round || speed.sentAt === null) return speed;
  const samples = [...speed.samples, told.bytesPerMs].slice(-MESH.speedSamplesMax);
  return { ...speed, sentAt: null, samples, sampledAt: now };
}

/**
 * Bytes a millisecond; null where too little was seen, or too long ago. The second fastest of the latest:
 * what else was on the line, or kept a thread, makes a train longer, and one that waited in a queue of
 * its reader looks as if it had come at once. Rather too fast than too slow.
 */
export function speedOf({ samples, sampledAt }: LinkSpeed, now: InstantMs): number | null {
  if (samples.length < MESH.speedSamplesMin || now > later(sampledAt, MESH.speedKeptMs))
    return null;
  return samples.toSorted((a, b) => b - a)[1] ?? null;
}

/** A train as its reader sees it come in. */
export interface Arriving {
  readonly round: number;
  readonly of: number;
  /** When each message came, the first one first. */
  readonly times: readonly InstantMs[];
}

/** One more message. `told`: the speed of the whole train, in bytes a millisecond, once it is. */
export function carArrived(
  train: Arriving | null,
  { round, at, of }: Car,
  now: InstantMs,
): { readonly train: Arriving | null; readonly told: number | null } {
  if (at === 0) return { train: { round, of, times: [now] }, told: null };
  const isNext = train?.round === round && train.of === of && train.times.length === at;
  if (!isNext) return { train: null, told: null };
  const times = [...train.times, now];
  if (at < of - 1) return { train: { round, of, times }, told: null };
  return { train: null, told: fastestPart(times) };
}

/**
 * Of the quarter that came fastest: while its window opens SCTP sends a few packets each round trip (slow
 * start, RFC 9260 7.2.1), and the waits between them are not the line's.
 */
function fastestPart(times: readonly InstantMs[]): number {
  const count = times.length >> 2;
  const spans = times.slice(count).map((end, i) => end - (times[i] ?? end));
  return (count * MESH.trainCarBytes) / Math.max(MESH.clockMs, Math.min(...spans));
}
