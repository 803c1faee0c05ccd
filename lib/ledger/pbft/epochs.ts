import type { SealCertificate } from './messages/seal.ts';
import { met, selfIn, update, type ChainHead, type ReplicaState, type Turn } from './state.ts';

/**
 * Epoch e + 1 begins at c + 1 in view 0, once c is stable. Slots above c of the old epoch were never
 * executed and are void; their requests still wait here, and so are proposed again.
 */
export function enterEpoch(turn: Turn, last: ChainHead, certificate: SealCertificate): void {
  const { state, now } = turn;
  const { constitution, header, headerHash, sequence } = last;
  met(turn, 'R22 an epoch begins');
  const { membership } = constitution;
  update(turn, {
    ...newEpoch(turn),
    constitution,
    self: selfIn(state.env, constitution),
    base: { sequence, headerHash },
    epochEnds: [...state.epochEnds, { header, certificate, membership }],
    phase: { kind: 'active', since: now.atMs },
  });
}

/** What every epoch begins with. SEALs are of blocks, which stay: those that wait for the disk still leave. */
export const newEpoch = ({ state, now }: Turn): Partial<ReplicaState> => ({
  view: 0,
  ahead: null,
  slots: new Map(),
  bodies: new Map(),
  seals: new Map(),
  viewChanges: new Map(),
  newView: null,
  withheld: state.withheld.filter(({ message }) => message.type === 'seal'),
  proposed: state.head.sequence,
  doublings: 0,
  delayed: new Set(),
  heardAt: now.atMs,
  batchAt: now.atMs,
});
