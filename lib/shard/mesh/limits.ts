import { KIB, MIB } from '#lib/kernel/units.ts';
import { invariant } from '#lib/kernel/assert.ts';
import { RING, WIRE } from '#lib/shard/wire/limits.ts';

/** Bounds of the mesh; each closes a way to fill memory or to hang. */
export const MESH = {
  /** A channel asks for more when less than this waits in it: half, so that it never runs dry. */
  lowMarkBytes: 128 * KIB,
  /** Frames that wait for a slow link; S12's windows keep it far below. Beyond: the link ends. */
  queuedBytesMax: 64 * MIB,
  /** Bytes received and not yet read by the inference worker, during a run of ≤ 250 ms. */
  unreadBytesMax: 64 * MIB,
  /** Read bytes are credited in portions: a small frame needs no message of its own back. */
  creditEveryBytes: 32 * KIB,
  /** A full mesh of a large cluster; more introductions are refused. */
  linksMax: 64,
  /** Host, mDNS and relay candidates of both address families, a dozen interfaces. */
  candidatesMax: 128,
  candidateCharsMax: 1_024,
  /** A gap between two heartbeats longer than this means that *we* stood still, not the peer. */
  stallMs: 1_000,
  /** Beats between two reports of a link's RTT to the server: 5 s. */
  reportEveryBeats: 10,
  /** Beats between two looks at a connection's counters: 1 s. The browser gathers all it knows. */
  countEveryBeats: 2,
  /** Beats between two trains of a node: 1 s, so that half of the pongs come in between. */
  measureEveryBeats: 2,
  /** A train is 32 KiB over a slow link, so that its pings wait for less than their 2 s, else 64 KiB. */
  trainCarBytes: 4 * KIB,
  trainCarsMin: 8,
  trainCarsMax: 16,
  /** Slower than this only short trains go: 32 KiB take a quarter of a second. */
  shortTrainBytesPerMs: 128,
  /** Once a few trains have told how fast a link is, one a minute keeps that fresh. */
  trainEveryMs: 60_000,
  trainLostMs: 5_000,
  speedSamplesMin: 3,
  speedSamplesMax: 7,
  speedKeptMs: 600_000,
  /** Browsers tell the time no finer than this where pages are not isolated. */
  clockMs: 0.1,
  reconnectFirstMs: 250,
  reconnectMsMax: 4_000,
} as const;

invariant(
  MESH.lowMarkBytes + WIRE.fragmentBytesMax <= RING.bufferedBytesMax,
  'a channel below its low mark takes a whole fragment',
);
