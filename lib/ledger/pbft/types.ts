import type { InstantMs } from '#lib/kernel/units.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import type { Header } from './messages/header.ts';
import type { EpochEnd } from './messages/state-transfer.ts';
import type { SealCertificate } from './messages/seal.ts';
import type { SignedType } from './messages/signing.ts';
import type { RuleBranch } from './rule-branches.ts';

/** A replica of one epoch. `id` stays when keys change (its operator's key in hex); links carry it. */
export interface Member {
  readonly id: string;
  readonly voteKey: Uint8Array;
}

/** Fixed by genesis, changed only with an epoch. */
export interface Parameters {
  /** T: a backup's patience with the primary. */
  readonly timeoutMs: number;
  /** K: a checkpoint every so many sequences. */
  readonly checkpointInterval: number;
  /** L: slots above the stable checkpoint; at least 2 K. */
  readonly logWindow: number;
  /** W: slots in flight. */
  readonly window: number;
  /** B_max: requests in a batch. */
  readonly batchMax: number;
}

/** Who votes on the next block, and how. */
export interface Constitution {
  readonly epoch: number;
  readonly members: readonly Member[];
  readonly parameters: Parameters;
  /** The member list as bytes: its SHA-256 is a header's `nextMembersHash`. */
  readonly membership: Uint8Array;
  /** c, once a change that is executed waits for it: a multiple of K, at least W above it. */
  readonly endsAfter: number | null;
}

/** The application's state: opaque here, never changed in place. */
export type AppState = object;
/** A part of a state as the application has read it: opaque, too. */
export type AppPart = object;

/** A piece of a state: its bytes are made when they are asked for, its hash is known before. */
export interface StatePart {
  /** SHA-256 of the bytes. */
  readonly hash: Uint8Array;
  readonly bytes: () => Uint8Array;
}

/** A batch that is valid whoever looks, with what the core reads of it. */
export interface CheckedBatch {
  readonly bytes: Uint8Array;
  /** 32 bytes over time and requests. */
  readonly digest: Uint8Array;
  /** Milliseconds since 1970; 0 in a null batch. */
  readonly timeMs: number;
  readonly requests: readonly Uint8Array[];
  /** `checkRequest` of each. */
  readonly ids: readonly string[];
}

export interface Block {
  readonly sequence: number;
  /** Ledger time. */
  readonly timeMs: number;
  readonly batch: CheckedBatch;
}

export interface Execution {
  readonly state: AppState;
  /** One for each request of the batch. */
  readonly results: readonly Uint8Array[];
  readonly resultsRoot: Uint8Array;
}

/** What a door knows beside the state. */
export interface Door {
  /** This replica's clock. */
  readonly wallMs: number;
  /** From a replica, whose own door let it in. */
  readonly isRelayed: boolean;
}

/** What is ordered. Every function is pure, total and the same to the byte on every replica. */
export interface Application {
  /** A request's id, or null where its bytes, bounds or signature do not hold. Reads no state. */
  checkRequest(request: Uint8Array): string | null;
  /** Null where anything in it is invalid; reads no state, so replicas that lag agree. */
  checkBatch(bytes: Uint8Array): CheckedBatch | null;
  /** A batch that is valid, of these requests in order as far as they fit. */
  writeBatch(timeMs: number, requests: readonly Uint8Array[]): Uint8Array;
  /**
   * This replica's door: false for what is executed already, unknown keys and the like. Asked before
   * `checkRequest`, so it takes any bytes.
   */
  admits(state: AppState, request: Uint8Array, door: Door): boolean;
  execute(state: AppState, block: Block): Execution;
  stateRoot(state: AppState): Uint8Array;
  constitution(state: AppState): Constitution;
  /** Ledger time at which something falls due without a request; null: nothing. */
  dueAt(state: AppState): number | null;
  /** All of it, in order. A part that a state shares with one before costs no hashing: step by step it is cheap. */
  parts(state: AppState): Iterable<StatePart>;
  /** A part from anybody, made ready for `restore`, which takes the time; null where it is none. */
  readPart(bytes: Uint8Array): AppPart | null;
  /** Null where the parts are not exactly the state under this root. */
  restore(parts: readonly AppPart[], stateRoot: Uint8Array): AppState | null;
  /** A member list's bytes, from anybody. */
  readMembership(bytes: Uint8Array): Pick<Constitution, 'epoch' | 'members'> | null;
}

/** What one replica is given for its life. */
export interface Environment {
  /** SHA-256 of the genesis, 32 bytes. */
  readonly chain: Uint8Array;
  readonly genesis: AppState;
  readonly genesisTimeMs: number;
  readonly application: Application;
  /** This replica's vote key; it may be no member's: then the replica follows. */
  readonly signer: Signer;
  readonly verify: Verify;
  readonly sha256: Sha256;
  /** How much of a state goes in one message; `LIMITS.pieceBytesMax` where it is not said. */
  readonly pieceBytes?: number;
  /** Told of each rule's branch that is taken, by campaigns; it changes nothing. */
  readonly met?: (branch: RuleBranch) => void;
}

/** Both clocks of one machine, as the shell read them. */
export interface Now {
  /** Monotonic: every deadline. */
  readonly atMs: InstantMs;
  /** Milliseconds since 1970: only the rule for a batch's time reads it. */
  readonly wallMs: number;
}

/** Where bytes came from, as the transport has proven it. */
export type Link =
  | { readonly kind: 'replica'; readonly id: string }
  | { readonly kind: 'client'; readonly id: string };

/** The last record that was surely on disk before anything after it was sent. */
export interface LogHead {
  readonly count: number;
  readonly chainHash: Uint8Array;
  /** The highest (epoch, view) that any of these records was written in. */
  readonly epoch: number;
  readonly view: number;
}

/** A state on disk at a stable checkpoint. */
export interface StoredState {
  readonly header: Header;
  readonly certificate: SealCertificate;
  readonly peaks: readonly Uint8Array[];
  readonly snapshot: readonly Uint8Array[];
  readonly epochEnds: readonly EpochEnd[];
}

/**
 * What the disk held: a state and the log from that state's `stable` record on, or no state and the
 * whole log. Counts and hashes are over all records ever, pruned ones included.
 */
export interface Image {
  readonly state: StoredState | null;
  /** Records pruned before the first here, and the chain's hash there (32 zeros at none). */
  readonly pruned: { readonly count: number; readonly chainHash: Uint8Array };
  readonly records: readonly Uint8Array[];
  /** Null: lost. A folder made for a new key has a head of 0 records. */
  readonly head: LogHead | null;
}

export type ReplicaEvent =
  | { readonly type: 'message'; readonly bytes: Uint8Array; readonly link: Link }
  | { readonly type: 'tick' }
  /** All records up to this id are on disk. */
  | { readonly type: 'stored'; readonly id: number }
  | { readonly type: 'restart'; readonly image: Image };

/** Two signed messages that no correct key signs both: each its signed fields and signature. */
export interface Evidence {
  readonly kind: SignedType;
  readonly epoch: number;
  readonly replica: number;
  readonly first: Uint8Array;
  readonly second: Uint8Array;
}

export type Effect =
  /** `all`: every other replica that has a link, observers included. Lossy. */
  | {
      readonly type: 'send';
      readonly to: 'all' | { readonly id: string };
      readonly bytes: Uint8Array;
    }
  /**
   * Append; once it and all before it are on disk, `stored(id)`. Ids count records from 1 over the log's
   * whole life. The head to be written with it has this (epoch, view).
   */
  | {
      readonly type: 'persist';
      readonly id: number;
      readonly record: Uint8Array;
      readonly epoch: number;
      readonly view: number;
    }
  /** In order, each once in the life of a state; after a restart again from the stored state on. */
  | {
      readonly type: 'executed';
      readonly header: Header;
      readonly batch: CheckedBatch;
      readonly results: readonly Uint8Array[];
      /** This replica's SEAL as sent; null where it only follows. */
      readonly seal: Uint8Array | null;
    }
  /**
   * Certified by q. Once this state and all records of the same step are on disk, those before
   * `recordId` may go: from there on the log says all that still counts. `stored(recordId)` waits for the
   * state, too, unless the log before it `leadsHere` from the state on disk; then it need not be written
   * at all while it is fewer than `dueAfter` slots above that one.
   */
  | {
      readonly type: 'stable';
      readonly recordId: number;
      readonly state: Omit<StoredState, 'snapshot'> & { readonly app: AppState };
      readonly endsEpoch: boolean;
      readonly leadsHere: boolean;
      readonly dueAfter: number;
    }
  | { readonly type: 'evidence'; readonly evidence: Evidence }
  /** This vote key signs never again: the log cannot tell what it signed before. */
  | { readonly type: 'amnesia'; readonly publicKey: Uint8Array };
