import { KIB, MIB } from '#lib/kernel/units.ts';
import { invariant } from '#lib/kernel/assert.ts';
import { RING, WIRE } from '#lib/shard/wire/limits.ts';

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
  /** Sixteen streams of 100 tokens a second, with reports, pongs and acks. */
  messagesPerSecondMax: 2_000,
  /** A hundred decode streams or two prefills at once; a server has many nodes to carry. */
  relayBytesPerSecondMax: 16 * MIB,
  /** What waits for its turn at that rate; beyond, the sender ignores its window. */
  relayQueuedBytesMax: 4 * MIB,
  /** Relayed and not yet read by the other end, of one link and direction. */
  relayWindowBytesMax: 512 * KIB,
  /** A socket that is gone may come back to its incarnation for so long, unless it is fenced. */
  resumeMs: 10_000,
  /** WebSocket pings find a socket whose other machine vanished. */
  enginePingMs: 5_000,
  /** Pings of ours whose pong is still awaited: 8 s of them. */
  pingsAwaitedMax: 16,
  tickMs: 250,
} as const;

invariant(
  SIGNALING.payloadBytesMax > WIRE.messageBytesMax &&
    SIGNALING.payloadBytesMax > WIRE.fragmentBytesMax,
  'the largest message and fragment fit into one WebSocket message',
);
invariant(
  SIGNALING.relayWindowBytesMax >= RING.bufferedBytesMax + 2 * WIRE.fragmentBytesMax,
  'a sender that keeps its window is never cut off',
);
