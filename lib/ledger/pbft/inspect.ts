import { toHex } from '#lib/kernel/bytes.ts';
import { slotsOf, votes, type ReplicaState } from './state.ts';

/** What tests and operators may know of a replica. */
export interface ReplicaView {
  readonly epoch: number;
  readonly view: number;
  readonly phase: 'active' | 'changing';
  /** Index among the members; −1: none. */
  readonly self: number;
  readonly votes: boolean;
  readonly isAmnesiac: boolean;
  readonly executed: number;
  readonly headerHash: string;
  readonly stable: number;
  /** Proven by q, to be fetched. */
  readonly ahead: number | null;
  readonly pending: number;
  readonly withheld: number;
  readonly bodies: number;
  readonly viewChanges: number;
  readonly evidence: number;
  readonly doublings: number;
  readonly slots: readonly {
    readonly sequence: number;
    readonly isProposed: boolean;
    readonly prepares: number;
    readonly commits: number;
    readonly preparedView: number | null;
    readonly isCommitted: boolean;
  }[];
}

export const inspect = (state: ReplicaState): ReplicaView => ({
  epoch: state.constitution.epoch,
  view: state.view,
  phase: state.phase.kind,
  self: state.self,
  votes: votes(state),
  isAmnesiac: state.isAmnesiac,
  executed: state.head.sequence,
  headerHash: toHex(state.head.headerHash),
  stable: state.stable.sequence,
  ahead: state.ahead?.sequence ?? null,
  pending: state.pending.size,
  withheld: state.withheld.length,
  bodies: state.bodies.size,
  viewChanges: state.viewChanges.size,
  evidence: state.evidence.length,
  doublings: state.doublings,
  slots: slotsOf(state).map((slot) => ({
    sequence: slot.sequence,
    isProposed: slot.proposal !== null,
    prepares: slot.prepares.size,
    commits: slot.commits.size,
    preparedView: slot.certificate?.view ?? null,
    isCommitted: slot.committed !== null,
  })),
});
