import { KIB, MIB } from '#lib/kernel/units.ts';

/** Bounds of the replica core. What the genesis sets (T, K, L, W, B_max) is in `Parameters`. */
export const LIMITS = {
  /** A MINT of 64 KiB with its envelope. */
  requestBytesMax: 66 * KIB,
  batchBytesMax: 8 * MIB,
  /** A NEW-VIEW at n = 32 and L = 256 stays below it while fewer than 20 slots are open. */
  frameBytesMax: 32 * MIB,
  /** A member list of 32 with three keys and an address each. */
  membershipBytesMax: 64 * KIB,
  /** A part is cut at 256 KiB, and no record is half as large. */
  partBytesMax: MIB,
  snapshotPartsMax: 8192,
  /** What a state may hold: a giver that lies about it takes no more memory before its lie is seen. */
  stateBytesMax: 1024 * MIB,
  /** Parts of a state go in messages of about so much, one asked for after the other: votes wait behind one at most. */
  pieceBytesMax: 512 * KIB,
  /** Pieces that bring their giver new time, doubled with each asking: 128 MiB, then another goes on. */
  piecesInTurnMax: 256,
  /** Beside a state, in one message or on disk: of 32 replicas 24 MiB. A year of eleven changes a day. */
  epochEndsMax: 4096,
  /** Slots one certificate list may name: the largest L. */
  logWindowMax: 1024,
  /** Peaks of a mountain range of 2⁵³ headers. */
  peaksMax: 53,
  /** Requests that wait, from all together and from one link. */
  pendingMax: 4096,
  pendingPerLinkMax: 256,
  /** Bodies kept above the stable checkpoint, as a multiple of L: those of lost views, too. */
  bodiesPerSlotMax: 4,
  /**
   * A state on disk is so many L below the stable checkpoint at most: a restart executes what is between,
   * and what it reads back, one K and an L more, is within the bodies that are kept.
   */
  windowsInLogMax: 2,
  evidenceMax: 64,
  /** Answers to FETCH a peer gets between two of our STATUS. */
  fetchesPerPeerMax: 64,
} as const;

/** Times that genesis does not set. */
export const TIMES = {
  /** A backup votes only for a batch whose time is so near to its own clock. */
  skewMsMax: 2_000,
  /** A batch is proposed at least so often, and so soon after something falls due. */
  batchEveryMs: 10_000,
  /**
   * Between a batch and the next that is not full: a slot costs as much as several requests, so they go
   * together where they come often. One that comes alone waits for nobody.
   */
  batchSpacingMs: 20,
  /**
   * A piece takes its giver three, and who reads it eight: a peer gets no more of them than it could read
   * if it were next door, so that f of them take a quarter of a processor each.
   */
  pieceMsMin: 8,
  /** A state that is given is held so many T at most, and 4 T once nobody asks for more of it. */
  givenTimeoutsMax: 64,
  /** T doubles at most so often. */
  doublingsMax: 6,
} as const;

/** Of T: heartbeats and STATUS go out so often in it. */
export const BEATS_PER_TIMEOUT = 4;
/** With so many slots unprepared only a full batch opens another. */
export const UNPREPARED_MAX = 2;
