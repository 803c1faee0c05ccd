import { invariant } from '#lib/kernel/assert.ts';
import { KIB, MIB } from '#lib/kernel/units.ts';

/** Bounds on what a peer or a socket may send; checked before anything is parsed or allocated. */
export const WIRE = {
  /** Grows by one with every change that an older page would misread (M2). */
  protocolVersion: 10,
  /** A route of a million-parameter-a-tab swarm would still be shorter. */
  placesMax: 64,
  sessionsPerNodeMax: 256,
  rowsPerFrameMax: 1024,
  hiddenMax: 16_384,
  /** Links whose speed a node tells at a time. */
  linksPerNodeMax: 64,
  /** 1 024 rows of 16 384 fp32 values would be 64 MiB: chunks are cut far below. */
  frameBytesMax: 16 * MIB,
  /** One data-channel message: under every browser's limit, short enough to let a token pass (S12). */
  fragmentBytesMax: 64 * KIB,
  promptIdsMax: 1 << 20,
  /** Of a prompt of that length, at 32 positions a page. */
  prefixPagesMax: 1 << 15,
  /** The page of the CPU stage: owners name pages of this size, others share nothing. */
  prefixPagePositions: 32,
  /** Largest id of a vocabulary of 2²⁰. */
  tokenIdMax: 1 << 20,
  /** Client → server JSON, before parsing. */
  messageBytesMax: 96 * KIB,
  /**
   * Server → client JSON: a `prepare` with 2²⁰ ids of seven digits and a comma, twice (history), and
   * names of 2¹⁵ pages.
   */
  serverMessageBytesMax: 18 * MIB,
  sdpCharsMax: 16_384,
  textCharsMax: 512,
} as const;

/** Times of the ring and the mesh. */
export const TIMES = {
  pingEveryMs: 500,
  silenceDeadMs: 2_000,
  keepAliveEveryMs: 5_000,
  stageExpiryMs: 15_000,
  tombstoneMs: 60_000,
  heldFrameMs: 1_000,
  deadlineMinMs: 2_000,
  lostAnswerMs: 30_000,
  helloMs: 5_000,
  nonceMs: 10_000,
  directPathMs: 5_000,
} as const;

export const RING = {
  /** Frames of a higher epoch or an unopened session kept for a moment (S2). */
  heldFramesMax: 4,
  /** Tokens sampled ahead of the owner's ack (S7). */
  unackedTokensMax: 16,
  /**
   * Ids that one step may try out beside the sampled one. More are seldom right together, and a step
   * of more rows than these is a chunk of prefill to the kernels.
   */
  draftsMax: 8,
  /** Prefill chunks on the way to one hop (S12). */
  unackedChunksMax: 2,
  bufferedBytesMax: 256 * KIB,
} as const;

invariant(
  (RING.draftsMax as number) < RING.unackedTokensMax,
  'a step of drafts may be sampled as a whole',
);
