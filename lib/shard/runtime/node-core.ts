import { unreachable } from '#lib/kernel/assert.ts';
import type { FaultCode, FaultWire } from '#lib/kernel/errors.ts';
import { later, type InstantMs } from '#lib/kernel/units.ts';
import { NODE } from './limits.ts';
import { stepMember } from './node-member.ts';
import type { Member, NodeInput, NodeOutput, NodeState, NodeStep } from './node-state.ts';

export const NODE_OFF: NodeState = { phase: 'off', fault: null };

/**
 * One volunteer's node, as a pure machine: off → joining → measuring → greeting → member
 * (loading, warming, ready, serving, spare, paused) → leaving → off; lost in between.
 * A declared node comes back by a new hello, with no sessions (V3).
 */
export function stepNode(state: NodeState, input: NodeInput, now: InstantMs): NodeStep {
  switch (input.type) {
    case 'start':
      return state.phase === 'off' || state.phase === 'lost' ? join(0) : [state, []];
    case 'stop':
      return onStop(state, now);
    case 'left':
      return state.phase === 'leaving' ? leftNow() : [state, []];
    case 'goodbye':
    case 'join-failed':
    case 'worker-lost':
      return isAway(state) ? [state, []] : onLost(state, input.fault, now);
    case 'room-found':
      return onRoomFound(state);
    case 'contacted':
      if (state.phase !== 'joining') return [state, []];
      return [{ ...state, phase: 'measuring', model: input.model }, [{ type: 'measure' }]];
    case 'measured':
      if (state.phase !== 'measuring') return [state, []];
      return [
        { ...state, phase: 'greeting', measured: input.measured },
        [{ type: 'hello', measured: input.measured }],
      ];
    case 'welcome':
      return onWelcome(state, input, now);
    case 'tick':
      return onTick(state, input, now);
    default:
      return forMember(state, input, now);
  }
}

/** Earliest instant at which a `tick` does something; infinity: none. */
export function nodeDeadline(state: NodeState): number {
  switch (state.phase) {
    case 'leaving':
      return state.deadline;
    case 'lost':
      return state.retryAt ?? Infinity;
    case 'member':
      if (state.use === 'paused') return Infinity;
      if (state.shard.kind === 'failed') return state.shard.retryAt;
      return state.takeOver.kind === 'wanted' ? state.takeOver.from : Infinity;
    case 'off':
    case 'joining':
    case 'measuring':
    case 'greeting':
      return Infinity;
    default:
      return unreachable(state);
  }
}

const join = (attempt: number): NodeStep => [{ phase: 'joining', attempt }, [{ type: 'contact' }]];

const isAway = (state: NodeState): boolean =>
  state.phase === 'off' || state.phase === 'leaving' || state.phase === 'lost';

const leftNow = (): NodeStep => [{ phase: 'off', fault: null }, [{ type: 'drop-worker' }]];

function onStop(state: NodeState, now: InstantMs): NodeStep {
  switch (state.phase) {
    case 'off':
    case 'leaving':
      return [state, []];
    case 'lost':
      return leftNow();
    case 'joining':
    case 'measuring':
    case 'greeting':
      return leave([], now);
    case 'member':
      return leave([{ type: 'send', message: { type: 'leave', how: 'stop' } }], now);
    default:
      return unreachable(state);
  }
}

const leave = (first: readonly NodeOutput[], now: InstantMs): NodeStep => [
  { phase: 'leaving', deadline: later(now, NODE.leaveMs) },
  [...first, { type: 'worker', command: 'pause' }, { type: 'disconnect' }],
];

/** Codes that a new hello would only meet again. */
const FINAL: ReadonlySet<FaultCode> = new Set<FaultCode>([
  'wire/version',
  'mesh/bad-signature',
  'engine/unsupported',
  'engine/wrong-answer',
  'package/unsupported',
  'server/config',
]);

function onLost(state: NodeState, fault: FaultWire, now: InstantMs): NodeStep {
  const attempt = 'attempt' in state ? state.attempt : 0;
  const waitMs = Math.min(NODE.rejoinFirstMs * 2 ** attempt, NODE.rejoinMaxMs);
  const retryAt = FINAL.has(fault.code) ? null : later(now, waitMs);
  return [
    { phase: 'lost', fault, attempt: attempt + 1, retryAt },
    [{ type: 'disconnect' }, { type: 'drop-worker' }],
  ];
}

/**
 * The server gives fewer layers to a node whose store was full, until its next hello (N6): an idle
 * one leaves and comes back by itself. One that serves, or is on its way, hears of the room again.
 */
function onRoomFound(state: NodeState): NodeStep {
  if (state.phase !== 'member' || !state.storageFull || state.use !== 'lent') return [state, []];
  const { kind } = state.shard;
  const isBusy = state.sessions > 0 || kind === 'fetching' || kind === 'warming';
  if (isBusy) return [state, []];
  const [joining, contact] = join(0);
  const leave = { type: 'send', message: { type: 'leave', how: 'stop' } } as const;
  return [joining, [leave, { type: 'disconnect' }, { type: 'drop-worker' }, ...contact]];
}

/** A fresh member, or the old one again: then its sessions are named to the owner (S4). */
function onWelcome(state: NodeState, input: NodeInput, now: InstantMs): NodeStep {
  if (state.phase === 'member') return stepMember(state, input, now);
  if (state.phase !== 'greeting') return [state, []];
  const member: Member = {
    phase: 'member',
    model: state.model,
    measured: state.measured,
    connected: true,
    use: 'lent',
    awaiting: true,
    assignment: null,
    shard: { kind: 'none' },
    takeOver: { kind: 'none' },
    storageFull: false,
    sessions: 0,
    nextTask: 1,
  };
  return [member, []];
}

function onTick(state: NodeState, input: NodeInput, now: InstantMs): NodeStep {
  if (now < nodeDeadline(state)) return [state, []];
  if (state.phase === 'lost') return join(state.attempt);
  if (state.phase === 'leaving') return leftNow();
  return forMember(state, input, now);
}

/** Only a member hears these; finished members stop. */
function forMember(state: NodeState, input: NodeInput, now: InstantMs): NodeStep {
  if (state.phase !== 'member') return [state, []];
  const [next, outputs] = stepMember(state, input, now);
  const finished = next.use === 'finishing' && next.sessions === 0;
  if (!finished) return [next, outputs];
  const [left, more] = onStop(next, now);
  return [left, [...outputs, ...more]];
}
