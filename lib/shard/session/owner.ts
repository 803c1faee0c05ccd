import { unreachable } from '#lib/kernel/assert.ts';
import { later, type InstantMs } from '#lib/kernel/units.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import type { StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { OwnerInput, OwnerStep, OwnerView, RoutePlan, SessionRequest } from './types.ts';
import { nextDeadline } from './deadlines.ts';
import { finish, repeatEnd } from './ending.ts';
import { beginEpoch, onNodeLost, onNodeReturned, onNodesChanged, onRoute } from './epochs.ts';
import { onFault, onResync, onRoom } from './faults.ts';
import { onReport } from './fill.ts';
import { onPrepared, onProgress, onTick } from './liveness.ts';
import { pageDigests } from './prefix.ts';
import { finishOf, onToken } from './tokens.ts';
import type { OwnerState, Sender, Turn } from './state.ts';

export type { OwnerState } from './state.ts';

/**
 * Opens a session (S1). Without a plan it waits, and asks at the next `nodes-changed`. Ids accepted
 * elsewhere are taken over and never sampled again (S13); a request they complete ends at once.
 */
export function createOwner(
  request: SessionRequest,
  plan: RoutePlan | null,
  now: InstantMs,
): OwnerStep<OwnerState> {
  const state: OwnerState = {
    request,
    acceptedIds: request.acceptedIds,
    pages: [],
    phase: { kind: 'routing', asked: plan !== null, noRoom: null, isPutOff: false },
    route: null,
    everyone: new Map(),
    lost: new Map(),
    overdue: 0,
    late: 0,
    broken: new Set(),
    complaints: [],
    faults: new Map(),
    putOff: new Map(),
    vainEpochs: 0,
    vainRooms: 0,
    suspects: [],
    progressAt: now,
    workDeadline: later(now, TIMES.lostAnswerMs),
    keepAliveAt: later(now, TIMES.keepAliveEveryMs),
  };
  const turn: Turn = { state, out: [], now };
  if (finishOf(request, request.acceptedIds)) finish(turn, { kind: 'finished' });
  else if (plan) beginEpoch(turn, plan, 'start');
  return [turn.state, turn.out];
}

/** One input, at one instant. Returns `state` itself where nothing changed. */
export function stepOwner(
  state: OwnerState,
  input: OwnerInput,
  now: InstantMs,
): OwnerStep<OwnerState> {
  const turn: Turn = { state, out: [], now };
  takeInput(turn, input);
  return [turn.state, turn.out];
}

function takeInput(turn: Turn, input: OwnerInput): void {
  switch (input.type) {
    case 'message': {
      if (turn.state.phase.kind === 'done') repeatEnd(turn, input, input.message);
      else onMessage(turn, input, input.message);
      return;
    }
    case 'node-lost': {
      onNodeLost(turn, input);
      return;
    }
    case 'node-returned': {
      const { node, incarnation } = input;
      onNodeReturned(turn, { node, incarnation });
      return;
    }
    case 'node-back':
      // Its `resync` follows and says what the break may have swallowed (S4).
      return;
    case 'route': {
      onRoute(turn, input.plan);
      return;
    }
    case 'nodes-changed': {
      onNodesChanged(turn);
      return;
    }
    case 'progress': {
      onProgress(turn, input, input.progress);
      return;
    }
    case 'cancel': {
      finish(turn, { kind: 'cancelled' });
      return;
    }
    case 'tick': {
      onTick(turn);
      return;
    }
    default:
      return unreachable(input);
  }
}

function onMessage(turn: Turn, from: Sender, message: StageMessage): void {
  switch (message.type) {
    case 'prepared': {
      onPrepared(turn, from, message.epoch);
      return;
    }
    case 'report': {
      onReport(turn, from, message);
      return;
    }
    case 'fault': {
      onFault(turn, from, message);
      return;
    }
    case 'room': {
      onRoom(turn, from, message);
      return;
    }
    case 'token': {
      onToken(turn, from, message);
      return;
    }
    case 'resync': {
      onResync(turn, from, message);
      return;
    }
    default:
      return unreachable(message);
  }
}

/** Names of all whole pages of prompt and accepted ids; none where nothing is shared (S3). */
export function ownerPages({ request, acceptedIds, pages }: OwnerState): readonly string[] {
  if (!request.prefix) return [];
  return pageDigests(request.prefix, [...request.promptIds, ...acceptedIds], pages);
}

export function viewOwner(state: OwnerState): OwnerView {
  return {
    epoch: state.route?.epoch ?? 0,
    phase: state.phase.kind,
    accepted: state.acceptedIds.length,
    places: (state.route?.places ?? []).map((held, place) => ({ ...held, place })),
    deadline: nextDeadline(state),
  };
}
