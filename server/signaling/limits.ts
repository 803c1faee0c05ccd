import { KIB, MIB } from '#lib/kernel/units.ts';
import { invariant } from '#lib/kernel/assert.ts';
import { MESH } from '#lib/shard/mesh/limits.ts';
import { RING, WIRE } from '#lib/shard/wire/limits.ts';
import type { MessageKind } from './message-kind.ts';

/** Bounds of signaling (M5): what one tab, one profile or one address may take of the server. */
export const SIGNALING = {
  /** One WebSocket message: our JSON with its quotes escaped, or a relayed fragment. */
  payloadBytesMax: 128 * KIB,
  /** A profile's tabs. */
  nodesPerIdentityMax: 16,
  /** A school behind one address, a few tabs a laptop. */
  nodesPerAddressMax: 256,
  socketsPerAddressMax: 320,
  nodesMax: 10_000,
  /** New sockets an address may open a minute: a school that comes back after a power cut. */
  socketsPerAddressPerMinuteMax: 1_200,
  /** A node in a full mesh of 64 that is introduced to all again and again. */
  introductionsPerMinuteMax: 600,
  /** Of all kinds together: sixteen streams of 100 tokens a second, with reports and pongs. */
  messagesPerSecondMax: 2_000,
  /** A hundred decode streams or two prefills at once; a server has many nodes to carry. */
  relayBytesPerSecondMax: 16 * MIB,
  /** What waits for its turn at that rate; beyond, the sender ignores its window. */
  relayQueuedBytesMax: 4 * MIB,
  /** Relayed and not yet read by the other end, of one link and direction. */
  relayWindowBytesMax: 512 * KIB,
  /** A node measures one link a second: a train of the long kind, and one that is late beside it. */
  trainBytes: {
    perSecond: MESH.trainCarsMax * MESH.trainCarBytes,
    burst: 2 * MESH.trainCarsMax * MESH.trainCarBytes,
  },
  /** A socket that is gone may come back to its incarnation for so long, unless it is fenced. */
  resumeMs: 10_000,
  /** WebSocket pings find a socket whose other machine vanished. */
  enginePingMs: 5_000,
  /** A socket that is closed and does not say so in return is cut: `ws` by itself waits 30 s. */
  closeMs: 1_000,
  /** Pings of ours whose pong is still awaited: 8 s of them. */
  pingsAwaitedMax: 16,
  tickMs: 250,
} as const;

/**
 * Messages of one kind that a node may send a second, in bursts of a second's worth. What is cheap to
 * say can be dear to hear: 1 500 `leave` and `resume` a second, a plan of the cluster each, kept every
 * answer waiting for 3 s. A kind that an honest node says seldom gets room for its worst second.
 */
export const KIND_PER_SECOND_MAX: Readonly<Record<MessageKind, number>> = {
  /** The second one is refused anyway (M2). */
  hello: 4,
  /** Two a second; after our own standing still all that were awaited come at once. */
  pong: 64,
  /** Every change of phase: two an answer on a node that serves short ones. */
  state: 128,
  /** Ranges of the sessions that a failover brings, each once. */
  loaded: 32,
  'load-failed': 16,
  cached: 32,
  'known-answer': 16,
  /** A dozen candidates a link, all links at once: forwarded as they come. */
  signal: SIGNALING.messagesPerSecondMax,
  /** All links of a node at once, opened and closed again; then one each a few seconds. */
  link: 256,
  /** A person's clicks, and a page that is hidden and shown. */
  leave: 8,
  resume: 8,
  /** One a second. */
  load: 16,
  /** One an epoch and session: every session of a node in failover, a few times over. */
  'session/prepared': 128,
  /** One a chunk of prefill and place. */
  'session/report': 1_024,
  /** Each may end an epoch: every session of a node once or twice. */
  'session/fault': 64,
  'session/room': 64,
  'session/token': SIGNALING.messagesPerSecondMax,
  /** One a reconnect; each is a step of every open session. */
  'session/resync': 4,
};

invariant(
  SIGNALING.payloadBytesMax > WIRE.messageBytesMax &&
    SIGNALING.payloadBytesMax > WIRE.fragmentBytesMax,
  'the largest message and fragment fit into one WebSocket message',
);
invariant(
  SIGNALING.relayWindowBytesMax >= RING.bufferedBytesMax + 2 * WIRE.fragmentBytesMax,
  'a sender that keeps its window is never cut off',
);
