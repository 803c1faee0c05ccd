import { rangeRoot, type MountainRange } from '#lib/ledger/crypto/mountain-range.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { sealCertificateHolds } from './certificates.ts';
import { becomeStable } from './checkpoints.ts';
import { newEpoch } from './epochs.ts';
import { headerHash, type Header } from './messages/header.ts';
import type { Status } from './messages/link-messages.ts';
import type { SealCertificate } from './messages/seal.ts';
import type { EpochEnd, StateTransfer } from './messages/state-transfer.ts';
import {
  isClosing,
  selfIn,
  update,
  type ChainHead,
  type Hint,
  type ReplicaState,
  type Turn,
} from './state.ts';
import { readParts } from './state-parts.ts';
import type { AppPart, Environment, Link, Member, StoredState } from './types.ts';

/** Links are the members' and a few observers': the transport knows them all by key. */
const HINTS_MAX = 128;

/** A peer says that it has a checkpoint which we lack: its log below is gone, so votes will not help. */
export function noteHint(turn: Turn, { epoch, stable }: Status, link: Link): void {
  const { hints } = turn.state;
  const known = hints.get(link.id);
  const hint: Hint = { epoch, stable, since: known?.since ?? turn.now.atMs };
  if (isNews(turn.state, hint)) {
    if (known === undefined && hints.size >= HINTS_MAX) return;
    update(turn, { hints: new Map(hints).set(link.id, hint) });
  } else if (known !== undefined) {
    const left = new Map(hints);
    left.delete(link.id);
    update(turn, { hints: left });
  }
}

export function isNews(
  state: ReplicaState,
  { epoch, stable }: Pick<Hint, 'epoch' | 'stable'>,
): boolean {
  return epoch > state.constitution.epoch || stable > lackingAbove(state);
}

/**
 * Any certified state above this one helps. At the end of an epoch, and where our own block is not the
 * one that q have, that of our own sequence does, too.
 */
export function lackingAbove(state: ReplicaState): number {
  const { head, ahead } = state;
  if (isClosing(state)) return head.sequence - 1;
  return ahead !== null && ahead.sequence <= head.sequence ? ahead.sequence - 1 : head.sequence;
}

/** What a state hangs on is proven: header and history by q SEALs of its epoch, its members by their ends. */
export function offerHolds(
  state: ReplicaState,
  offer: Omit<StateTransfer, 'type' | 'parts' | 'partHashes'>,
): boolean {
  const members = membersAt(state, offer.epochEnds, offer.header.epoch);
  if (members === null || !isCertified(state, { ...offer, members })) return false;
  return rangeUnder(offer, state.env.sha256) !== null;
}

/** Who votes in `epoch`, led there from our own epoch by certified ends; null where the chain breaks. */
function membersAt(
  state: ReplicaState,
  ends: readonly EpochEnd[],
  epoch: number,
): readonly Member[] | null {
  const { env, constitution } = state;
  let { members } = constitution;
  let at = constitution.epoch;
  for (const end of ends) {
    const { header, certificate, membership } = end;
    if (header.epoch !== at) return null;
    if (!isCertified(state, { header, certificate, members })) return null;
    if (!bytesEqual(env.sha256(membership), header.nextMembersHash)) return null;
    const next = env.application.readMembership(membership);
    at += 1;
    if (next?.epoch !== at) return null;
    members = next.members;
  }
  return at === epoch ? members : null;
}

function isCertified(
  { env }: ReplicaState,
  of: {
    readonly header: Header;
    readonly certificate: SealCertificate;
    readonly members: readonly Member[];
  },
): boolean {
  const { header, certificate, members } = of;
  return (
    bytesEqual(header.chain, env.chain) &&
    header.epoch === certificate.epoch &&
    header.sequence === certificate.sequence &&
    bytesEqual(headerHash(header, env.sha256), certificate.headerHash) &&
    sealCertificateHolds({ env, members }, certificate)
  );
}

/** The chain's head that a stored state makes; null where a part is not under the header. */
export function storedHead(env: Environment, stored: StoredState): ChainHead | null {
  const parts = readParts(env.application, stored.snapshot);
  return parts && headOf(env, { ...stored, parts });
}

/** The same of a state that came in parts. */
export function headOf(
  env: Environment,
  of: Pick<StoredState, 'header' | 'peaks'> & { readonly parts: readonly AppPart[] },
): ChainHead | null {
  const { header, peaks, parts } = of;
  const range = rangeUnder({ header, peaks }, env.sha256);
  if (range === null) return null;
  const app = env.application.restore(parts, header.stateRoot);
  if (app === null) return null;
  const constitution = env.application.constitution(app);
  if (!bytesEqual(env.sha256(constitution.membership), header.nextMembersHash)) return null;
  const { sequence } = header;
  return { sequence, header, headerHash: headerHash(header, env.sha256), range, app, constitution };
}

/** The history that these peaks make; null where it is not the header's. */
function rangeUnder(
  { header, peaks }: Pick<StoredState, 'header' | 'peaks'>,
  sha256: Sha256,
): MountainRange | null {
  const range: MountainRange = { size: header.sequence, peaks };
  if (peaks.length !== onesOf(header.sequence)) return null;
  return bytesEqual(rangeRoot(range, sha256), header.historyRoot) ? range : null;
}

function onesOf(value: number): number {
  let count = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

/** A certified state in the place of what is here. Votes above it stand, where the epoch is the same. */
export function adopt(
  turn: Turn,
  of: {
    readonly head: ChainHead;
    readonly certificate: SealCertificate;
    readonly epochEnds: readonly EpochEnd[];
  },
): void {
  const { head, certificate, epochEnds } = of;
  update(turn, { head, executed: new Map(), checkpoints: new Map() });
  const { state, now } = turn;
  const last = epochEnds.at(-1);
  if (head.header.epoch > state.constitution.epoch && last !== undefined) {
    const { application } = state.env;
    const { membership, header } = last;
    const next = application.readMembership(membership);
    const { parameters } = head.constitution;
    const constitution = {
      ...{ epoch: header.epoch + 1, members: next?.members ?? [], membership },
      ...{ parameters, endsAfter: null },
    };
    update(turn, {
      ...newEpoch(turn),
      constitution,
      self: selfIn(state.env, constitution),
      base: { sequence: header.sequence, headerHash: last.certificate.headerHash },
      epochEnds: [...state.epochEnds, ...epochEnds],
      phase: { kind: 'active', since: now.atMs },
    });
  }
  becomeStable(turn, head, certificate);
}
