import { must } from '#lib/kernel/assert.ts';
import { later, type InstantMs } from '#lib/kernel/units.ts';
import type { MountainRange } from '#lib/ledger/crypto/mountain-range.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { BEATS_PER_TIMEOUT } from './limits.ts';
import { withEntry } from './layered-map.ts';
import type { Header } from './messages/header.ts';
import { encodeMessage, type Message } from './messages/message.ts';
import type { NewView } from './messages/new-view.ts';
import type { PreparedCertificate, ViewChange } from './messages/view-change.ts';
import type { Seal, SealCertificate } from './messages/seal.ts';
import type { EpochEnd, StateTransfer } from './messages/state-transfer.ts';
import type { Vote } from './messages/vote.ts';
import type { PendingRequests } from './pending.ts';
import { quorumOf } from './quorum.ts';
import type { RuleBranch } from './rule-branches.ts';
import type {
  AppPart,
  AppState,
  CheckedBatch,
  Constitution,
  Effect,
  Environment,
  Evidence,
  Now,
  StatePart,
} from './types.ts';

/** One sequence of the log, above the stable checkpoint. */
export interface Slot {
  readonly sequence: number;
  /** What the primary of the current view proposed: the first that was taken, and no other. */
  readonly proposal: Vote | null;
  readonly proposedAt: InstantMs;
  /** By replica, the vote of the highest view: one each, whoever floods. PREPAREs not below ours. */
  readonly prepares: ReadonlyMap<number, Vote>;
  readonly commits: ReadonlyMap<number, Vote>;
  /** Of the highest view in which this slot prepared here; kept over view changes. */
  readonly certificate: PreparedCertificate | null;
  /** Committed here, in whatever view: for ever. */
  readonly committed: Uint8Array | null;
  /** Highest views in which this replica cast PREPARE and COMMIT here; −1: none. */
  readonly preparedIn: number;
  readonly committedIn: number;
}

/** The chain's end here: everything that the next block is made from. */
export interface ChainHead {
  readonly sequence: number;
  readonly header: Header;
  readonly headerHash: Uint8Array;
  /** Range of the headers before this one. */
  readonly range: MountainRange;
  readonly app: AppState;
  /** After this block: of the next epoch at an epoch's end. */
  readonly constitution: Constitution;
}

export type Phase =
  /** In the view; a new request's patience runs from `since` at the earliest. */
  | { readonly kind: 'active'; readonly since: InstantMs }
  /** VIEW-CHANGE cast; the next timer starts only at q of them (TOCS §4.5.2). */
  | { readonly kind: 'changing'; readonly deadline: InstantMs | null };

export interface Hint {
  readonly epoch: number;
  readonly stable: number;
  readonly since: InstantMs;
}

export interface Asked {
  readonly link: string;
  readonly at: InstantMs;
  /** How many were asked before it: each has twice as long as the one before. */
  readonly before: number;
  /** What it gave was no state: it gets no more time for another. */
  readonly isRefused: boolean;
}

/** A state on its way here: what it hangs on is proven, and its parts come piece by piece. */
export interface Receiving {
  /** Who gives it; null: another is asked, who may go on with it. */
  readonly link: string | null;
  readonly offer: Omit<StateTransfer, 'type' | 'parts'>;
  /** By their hashes in hex, of a giver before, too. */
  readonly parts: ReadonlyMap<string, AppPart>;
  /** Of this giver: how many, and how large together. */
  readonly pieces: { readonly count: number; readonly bytes: number };
}

/** A state that others are given: one, for all who ask. */
export interface Giving {
  readonly head: ChainHead;
  readonly certificate: SealCertificate;
  readonly parts: readonly StatePart[];
  readonly since: InstantMs;
  readonly askedAt: InstantMs;
}

/** Something that waits for the disk: sent to all and counted as our own once record `id` is on it. */
export interface Withheld {
  readonly id: number;
  readonly message: Message;
}

export interface ReplicaState {
  readonly env: Environment;
  /** Of the epoch that votes now. */
  readonly constitution: Constitution;
  /** Index among the members; −1: follows only. */
  readonly self: number;
  readonly isAmnesiac: boolean;
  readonly view: number;
  readonly phase: Phase;
  /** The epoch's first slot is above it. */
  readonly base: { readonly sequence: number; readonly headerHash: Uint8Array };
  readonly slots: ReadonlyMap<number, Slot>;
  /** Batches above the stable checkpoint by digest in hex. */
  readonly bodies: ReadonlyMap<string, { readonly sequence: number; readonly batch: CheckedBatch }>;
  readonly head: ChainHead;
  /** Digests of the batches executed above the stable checkpoint, by sequence. */
  readonly executed: ReadonlyMap<number, Uint8Array>;
  /** Own heads at multiples of K, from the stable one on. */
  readonly checkpoints: ReadonlyMap<number, ChainHead>;
  readonly stable: SealCertificate;
  /** A checkpoint proven by q that this replica has not executed, or executed to another header. */
  readonly ahead: SealCertificate | null;
  /** Checkpoints' SEALs by sequence and replica. */
  readonly seals: ReadonlyMap<number, ReadonlyMap<number, Seal>>;
  readonly epochEnds: readonly EpochEnd[];
  readonly pending: PendingRequests;
  /** Highest sequence proposed in this view, by this replica or to it. */
  readonly proposed: number;
  /** A batch that is not full leaves no sooner: so long after the one before it. */
  readonly spacedUntil: InstantMs;
  /** Requests wait for nothing but that. */
  readonly isSpaced: boolean;
  /** By replica, its highest VIEW-CHANGE. */
  readonly viewChanges: ReadonlyMap<number, ViewChange>;
  /** Of the current view. */
  readonly newView: NewView | null;
  /** Views changed since a request of `delayed` (or, where it is empty, any) was executed. */
  readonly doublings: number;
  readonly delayed: ReadonlySet<string>;
  /** When the primary was last heard in this view. */
  readonly heardAt: InstantMs;
  /** When a batch with a time was last taken. */
  readonly batchAt: InstantMs;
  readonly statusAt: InstantMs;
  readonly nextBarrier: number;
  readonly withheld: readonly Withheld[];
  readonly evidence: readonly Evidence[];
  /** Answers given since our last STATUS, by link. */
  readonly answered: ReadonlyMap<string, number>;
  /** Links whose STATUS told of a checkpoint we lack, and since when: nothing is proven by it. */
  readonly hints: ReadonlyMap<string, Hint>;
  /** Whom state was asked of last: only it may answer, and the next asking goes elsewhere. */
  readonly askedForState: Asked | null;
  readonly receiving: Receiving | null;
  readonly giving: Giving | null;
}

/** One step at work: handlers replace `state` and push to `out`. */
export interface Turn {
  state: ReplicaState;
  readonly out: Effect[];
  readonly now: Now;
}

export const update = (turn: Turn, change: Partial<ReplicaState>): void => {
  turn.state = { ...turn.state, ...change };
};

/** Says that a rule's branch was taken, where somebody listens. */
export const met = ({ state }: Pick<Turn, 'state'>, branch: RuleBranch): void =>
  state.env.met?.(branch);

export const send = (turn: Turn, to: 'all' | { readonly id: string }, message: Message): void => {
  turn.out.push({ type: 'send', to, bytes: encodeMessage(message) });
};

const NO_VOTES: ReadonlyMap<number, Vote> = new Map();

export const slotAt = (state: ReplicaState, sequence: number): Slot =>
  state.slots.get(sequence) ?? {
    sequence,
    proposal: null,
    proposedAt: 0 as InstantMs,
    prepares: NO_VOTES,
    commits: NO_VOTES,
    certificate: null,
    committed: null,
    preparedIn: -1,
    committedIn: -1,
  };

export function updateSlot(turn: Turn, sequence: number, change: Partial<Slot>): Slot {
  const slot = { ...slotAt(turn.state, sequence), ...change };
  update(turn, { slots: withEntry(turn.state.slots, sequence, slot) });
  return slot;
}

/** Slots in order of sequence. */
export const slotsOf = (state: ReplicaState): Slot[] =>
  [...state.slots.values()].sort((a, b) => a.sequence - b.sequence);

export const quorum = (state: ReplicaState): number => quorumOf(state.constitution.members.length);

export const primaryOf = (state: ReplicaState, view: number): number =>
  view % state.constitution.members.length;

/** May sign: a member with this key, whose log tells all that it signed. */
export const votes = (state: ReplicaState): boolean => state.self >= 0 && !state.isAmnesiac;

export const isPrimary = (state: ReplicaState): boolean =>
  votes(state) && state.phase.kind === 'active' && primaryOf(state, state.view) === state.self;

export const memberId = (state: ReplicaState, replica: number): string =>
  must(state.constitution.members[replica], 'the index of a member').id;

/** This replica's place among the members, by its key. */
export const selfIn = ({ signer }: Environment, { members }: Constitution): number =>
  members.findIndex(({ voteKey }) => bytesEqual(voteKey, signer.publicKey));

/** The highest checkpoint that q have proven, executed here or not. */
export const proven = ({ stable, ahead }: ReplicaState): SealCertificate => ahead ?? stable;

/** h < n ≤ h + L, h the highest proven checkpoint: slots that votes may name. */
export function inWindow(state: ReplicaState, sequence: number): boolean {
  const low = proven(state).sequence;
  return sequence > low && sequence <= low + state.constitution.parameters.logWindow;
}

/** A VIEW-CHANGE from the stable checkpoint on has room for this slot: it spans L at most. */
export const isTellable = ({ stable, constitution }: ReplicaState, sequence: number): boolean =>
  sequence <= stable.sequence + constitution.parameters.logWindow;

/** The last block of the epoch is executed: all waits for its checkpoint. */
export const isClosing = ({ head, constitution }: ReplicaState): boolean =>
  head.constitution.epoch !== constitution.epoch;

/** T, doubled for each view in a row that brought nothing. */
export const timeoutMs = ({ constitution, doublings }: ReplicaState): number =>
  constitution.parameters.timeoutMs * 2 ** doublings;

export const beatMs = ({ constitution }: ReplicaState): number =>
  constitution.parameters.timeoutMs / BEATS_PER_TIMEOUT;

export const after = (turn: Turn, ms: number): InstantMs => later(turn.now.atMs, ms);
