import { signedBytes, type SignedType } from './messages/signing.ts';
import { newViewBody, type NewView } from './messages/new-view.ts';
import { sealBodyBytes, type Seal, type SealBody } from './messages/seal.ts';
import { viewChangeBody, type ViewChange } from './messages/view-change.ts';
import { voteBodyBytes, type Vote, type VoteBody, type VoteType } from './messages/vote.ts';
import { votes, type ReplicaState } from './state.ts';
import { invariant } from '#lib/kernel/assert.ts';
import type { Environment, Member } from './types.ts';

/** Whose signatures count, and how they are checked. */
export interface Electorate {
  readonly env: Pick<Environment, 'chain' | 'verify' | 'met'>;
  readonly members: readonly Member[];
}

export const electorateOf = ({ env, constitution }: ReplicaState): Electorate => ({
  env,
  members: constitution.members,
});

interface SignedBody {
  readonly type: SignedType;
  readonly body: Uint8Array;
}

function holds(
  { env, members }: Electorate,
  { replica, signature }: { readonly replica: number; readonly signature: Uint8Array },
  { type, body }: SignedBody,
): boolean {
  const member = members[replica];
  if (member === undefined) return false;
  const isHeld = env.verify(member.voteKey, signedBytes(type, env.chain, body), signature);
  if (!isHeld) env.met?.('R3 a signature does not hold');
  return isHeld;
}

export const voteHolds = (of: Electorate, vote: Vote): boolean =>
  holds(of, vote, { type: vote.type, body: voteBodyBytes(vote) });

export const sealHolds = (of: Electorate, seal: SealBody & Omit<Seal, 'type'>): boolean =>
  holds(of, seal, { type: 'seal', body: sealBodyBytes(seal) });

export const viewChangeHolds = (of: Electorate, message: ViewChange): boolean =>
  holds(of, message, { type: 'view-change', body: viewChangeBody(message) });

export const newViewHolds = (of: Electorate, message: NewView): boolean =>
  holds(of, message, { type: 'new-view', body: newViewBody(message) });

function sign(state: ReplicaState, type: SignedType, body: Uint8Array): Uint8Array {
  invariant(votes(state), 'only a member with its whole log signs');
  return state.env.signer.sign(signedBytes(type, state.env.chain, body));
}

export function signVote<T extends VoteType>(
  state: ReplicaState,
  type: T,
  of: Omit<VoteBody, 'replica' | 'epoch'>,
): Vote & { readonly type: T } {
  const { view, sequence, digest } = of;
  const body = { epoch: state.constitution.epoch, view, sequence, digest, replica: state.self };
  return { type, ...body, signature: sign(state, type, voteBodyBytes(body)) };
}

export const signSeal = (state: ReplicaState, body: SealBody): Seal => ({
  type: 'seal',
  ...body,
  replica: state.self,
  signature: sign(state, 'seal', sealBodyBytes(body)),
});

export const signViewChange = (
  state: ReplicaState,
  message: Omit<ViewChange, 'type' | 'signature'>,
): ViewChange => ({
  type: 'view-change',
  ...message,
  signature: sign(state, 'view-change', viewChangeBody(message)),
});

export const signNewView = (
  state: ReplicaState,
  message: Omit<NewView, 'type' | 'signature'>,
): NewView => ({
  type: 'new-view',
  ...message,
  signature: sign(state, 'new-view', newViewBody(message)),
});
