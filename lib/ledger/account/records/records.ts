import {
  blob,
  byte,
  count16,
  count32,
  fixed,
  hash,
  list,
  long,
  record,
  type RecordOf,
} from './layout.ts';

/** What the state holds, each under H(kind ‖ id). Micro are amounts, days are ledger days. */

/** Counters of the whole, changed by every block. */
export const totals = record({
  timeMs: long,
  sequence: long,
  treasuryMicro: long,
  burnMicro: long,
  /** Sums over the records of that kind, so that a block is checked without reading them all (A1). */
  accountsMicro: long,
  maturingMicro: long,
  clustersMicro: long,
  holdsMicro: long,
  potsMicro: long,
});

const replica = record({ operatorKey: hash, voteKey: hash, transportKey: hash, address: blob });

/** A change that was executed and waits for the end of its epoch: a body without approvals, in CBOR. */
const pending = record({ effectAfter: long, change: blob });

/** What operators decide. */
export const constitution = record({
  chain: hash,
  epoch: long,
  replicas: list(replica),
  pending: list(pending),
  parameters: record({
    burnPpm: long,
    microPerTeraflop: long,
    holdMicroMin: long,
    priorityMicro: long,
    checkpointInterval: long,
    window: long,
    logWindow: long,
    viewTimeoutMs: long,
    batchMax: long,
  }),
});

const accountKey = record({
  publicKey: hash,
  /** Bits of SCOPE_SPEND, SCOPE_DELEGATE, SCOPE_ROTATE. */
  scope: byte,
  dayLimitMicro: long,
  holdMaxMicro: long,
  expiresAtMs: long,
  /** The day that `usedMicro` counts; on another day nothing is used. */
  usedDay: count32,
  /** Held and captured by this key on that day. */
  usedMicro: long,
});

export const account = record({
  id: hash,
  starterMicro: long,
  starterExpiresAtMs: long,
  earnedMicro: long,
  /** Mirrors of what maturing records and holds have of this account; not counted again in sums. */
  maturingMicro: long,
  heldMicro: long,
  openHolds: count16,
  clusters: count16,
  /** 1 once it had its one GRANT. */
  granted: byte,
  /** 0 before the first mint. */
  firstMintDay: count32,
  activeDay: count32,
  keys: list(accountKey),
  /** Earned a day, newest last, TIER_DAYS of them. */
  earnedDays: list(record({ day: count32, micro: long })),
});

/** A cluster's account: credit that its members spend, each within a limit a day. */
export const cluster = record({
  id: hash,
  owner: hash,
  micro: long,
  heldMicro: long,
  openHolds: count16,
  members: count16,
  activeDay: count32,
});

export const member = record({
  cluster: hash,
  account: hash,
  dayLimitMicro: long,
  usedDay: count32,
  usedMicro: long,
  activeDay: count32,
});

export const HOLD_OPEN = 0;
export const HOLD_CAPTURED = 1;
export const HOLD_VOIDED = 2;
export const HOLD_EXPIRED = 3;

/** Open, or closed and remembered until its id is too old to be used again. */
export const hold = record({
  id: fixed(16),
  status: byte,
  account: hash,
  /** The key that signed for it. */
  publicKey: hash,
  gateway: hash,
  /** Zeros: the account itself pays. */
  cluster: hash,
  amountMicro: long,
  /** The parts it was taken from; all of a cluster's is earned. */
  starterMicro: long,
  starterExpiresAtMs: long,
  earnedMicro: long,
  expiresAtMs: long,
  /** The day it counts for. */
  day: count32,
  openedAt: long,
  capturedMicro: long,
  closedAt: long,
  closedAtMs: long,
});

/** What was captured for a job and MINT has not paid yet. */
export const pot = record({ id: fixed(16), gateway: hash, micro: long, closesAtMs: long });

/** That a worker was paid for a chunk: kept as long as its pot. */
export const minted = record({
  holdId: fixed(16),
  segment: count32,
  chunk: count32,
  worker: hash,
  closesAtMs: long,
});

/** Half of what a new account earned on a day, by the gateway that attested it. */
export const maturing = record({ account: hash, gateway: hash, day: count32, micro: long });

/** `revokedSinceDay` of a gateway that is not revoked. */
export const NEVER = 2 ** 32 - 1;

export const gateway = record({
  publicKey: hash,
  grantsPerDay: count32,
  grantMicroMax: long,
  subsidyPerDayMicro: long,
  usedDay: count32,
  usedGrants: count32,
  usedSubsidyMicro: long,
  revokedSinceDay: count32,
});

/** Executed nonces of a key: `nonces.ts`. */
export const nonces = record({
  publicKey: hash,
  /** 1 once a transaction of this key had effect. */
  acted: byte,
  keepUntilMs: long,
  /** Nonces that are kept, those in pages too. */
  count: count16,
  /** What is below was dropped, or never came. */
  floor: long,
  /** Where each page begins, ascending. */
  pages: list(long),
  /** The highest ones, packed. */
  recent: blob,
});

/** Nonces of a key from `from` up to where its next page begins, packed. */
export const noncePage = record({ publicKey: hash, from: long, packed: blob });

/** A vote key that was ever a replica's: it is never another's, nor the same one's again. */
export const voteKey = record({ publicKey: hash });

type Read<P> = P extends { read(from: never): infer T } ? T : never;
export type Totals = Read<typeof totals>;
export type Constitution = Read<typeof constitution>;
export type Account = Read<typeof account>;
export type AccountKey = RecordOf<{ a: typeof accountKey }>['a'];
export type Cluster = Read<typeof cluster>;
export type Member = Read<typeof member>;
export type Hold = Read<typeof hold>;
export type Pot = Read<typeof pot>;
export type Minted = Read<typeof minted>;
export type Maturing = Read<typeof maturing>;
export type Gateway = Read<typeof gateway>;
export type Nonces = Read<typeof nonces>;
export type NoncePage = Read<typeof noncePage>;
export type VoteKey = Read<typeof voteKey>;
