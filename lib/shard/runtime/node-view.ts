import { unreachable } from '#lib/kernel/assert.ts';
import type { FaultWire } from '#lib/kernel/errors.ts';
import type { ReasonCode } from '#lib/kernel/reasons.ts';
import type { NodeState as NodeWord } from '#lib/shard/wire/node-messages.ts';
import type { Member, NodeState } from './node-state.ts';

export interface NodeStateView {
  /** What the volunteer's page and the status page call it. */
  readonly word: 'off' | NodeWord;
  readonly reason: ReasonCode | null;
  readonly fault: FaultWire | null;
}

export function viewNode(state: NodeState): NodeStateView {
  switch (state.phase) {
    case 'off':
      return { word: 'off', reason: null, fault: state.fault };
    case 'joining':
    case 'greeting':
      return { word: 'joining', reason: null, fault: null };
    case 'measuring':
    case 'leaving':
      return { word: state.phase, reason: null, fault: null };
    case 'lost':
      return { word: 'lost', reason: lossReason(state.fault), fault: state.fault };
    case 'member':
      return viewMember(state);
    default:
      return unreachable(state);
  }
}

function viewMember(state: Member): NodeStateView {
  if (state.use === 'paused') return { word: 'paused', reason: 'pause.user', fault: null };
  if (state.use === 'finishing') return { word: 'serving', reason: 'idle.finishing', fault: null };
  if (state.awaiting) return { word: 'joining', reason: null, fault: null };
  if (!state.assignment) {
    return { word: 'spare', reason: scarcity(state) ?? 'idle.covered', fault: null };
  }
  switch (state.shard.kind) {
    case 'none':
    case 'fetching':
      return { word: 'loading', reason: null, fault: null };
    case 'failed': {
      const { fault } = state.shard;
      return { word: 'loading', reason: lossReason(fault), fault };
    }
    case 'warming':
      return { word: 'warming', reason: null, fault: null };
    case 'checking':
      return { word: 'warming', reason: 'idle.audit', fault: null };
    case 'ready':
      if (state.sessions > 0) return { word: 'serving', reason: null, fault: null };
      return {
        word: 'ready',
        reason:
          scarcity(state) ?? (state.takeOver.kind === 'fetching' ? 'idle.cache' : 'idle.no_demand'),
        fault: null,
      };
    default:
      return unreachable(state.shard);
  }
}

/** Why this node holds less than it could. */
const scarcity = (state: Member): ReasonCode | null =>
  state.storageFull ? 'device.storage' : null;

function lossReason(fault: FaultWire): ReasonCode | null {
  switch (fault.code) {
    case 'wire/version':
      return 'refuse.version';
    case 'engine/wrong-answer':
      return 'device.wrong';
    case 'engine/out-of-memory':
      return 'device.memory';
    case 'package/storage-full':
      return 'device.storage';
    default:
      return null;
  }
}
