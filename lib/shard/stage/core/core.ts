import { unreachable } from '#lib/kernel/assert.ts';
import { later, type InstantMs } from '#lib/kernel/units.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import type { StageInput, StageOutput, StageView } from '../types.ts';
import { expireFences, expireSessions } from './ending.ts';
import { onFrame } from './frames.ts';
import { onGrammarFailed, onGrammarReady } from './grammars.ts';
import { expireHeld } from './held.ts';
import { STAGE } from './limits.ts';
import { onOwnerMessage } from './orders.ts';
import { onRunDone, onRunFailed } from './results.ts';
import { onKvShared } from './prefix.ts';
import { keptTotal, tellRoom } from './room.ts';
import { onTurn, schedule } from './run.ts';
import { onLinkClosed, onLinkOpen, sentTo } from './send.ts';
import { onShardFailed, onShardGone, onShardReady } from './shards.ts';
import { allSeats, tellOwner, type StageCore, type StageCoreOptions, type Turn } from './state.ts';

export type { StageCore, StageCoreOptions } from './state.ts';

/** The ring's side of one node: all its sessions and places, no links or shards yet. */
export function createStageCore(self: NodeId, options: Partial<StageCoreOptions> = {}): StageCore {
  return {
    self,
    options: {
      keptBytesMax: options.keptBytesMax ?? STAGE.keptBytesMax,
      keptBlockRows: options.keptBlockRows ?? STAGE.keptBlockRows,
      drafting: options.drafting ?? 'measured',
    },
    sessions: new Map(),
    fences: new Map(),
    held: [],
    heldTold: { since: 0 as InstantMs, faults: 0 },
    links: new Map(),
    shards: new Map(),
    running: null,
    restsSince: null,
    paused: false,
    runs: 0,
    tokensSampled: 0,
    framesDropped: 0,
    opened: 0,
  };
}

/** One input at one instant. Takes `core` over, changes it in place and hands it back. */
export function stepStage(
  core: StageCore,
  input: StageInput,
  now: InstantMs,
): readonly [StageCore, readonly StageOutput[]] {
  const turn: Turn = { core, out: [], local: [], now };
  expireHeld(turn);
  takeInput(turn, input);
  takeLocal(turn);
  tellRoom(turn);
  schedule(turn);
  return [core, turn.out];
}

function takeInput(turn: Turn, input: StageInput): void {
  switch (input.type) {
    case 'message': {
      onOwnerMessage(turn, input.message);
      return;
    }
    case 'frames': {
      for (const frame of input.frames) onFrame(turn, input.from, frame);
      return;
    }
    case 'link-open': {
      onLinkOpen(turn, input.peer, input.path);
      return;
    }
    case 'link-closed': {
      onLinkClosed(turn, input.peer);
      return;
    }
    case 'shard-ready': {
      onShardReady(turn, input);
      return;
    }
    case 'shard-failed': {
      onShardFailed(turn, input.shard);
      return;
    }
    case 'shard-gone': {
      onShardGone(turn, input.shard);
      return;
    }
    case 'grammar-ready': {
      onGrammarReady(turn, input.session);
      return;
    }
    case 'grammar-failed': {
      onGrammarFailed(turn, input.session);
      return;
    }
    case 'run-done': {
      onRunDone(turn, input);
      return;
    }
    case 'run-failed': {
      onRunFailed(turn, input);
      return;
    }
    case 'turn':
      onTurn(turn);
      return;
    case 'kv-shared': {
      onKvShared(turn, input);
      return;
    }
    case 'socket-back': {
      onSocketBack(turn);
      return;
    }
    case 'pause':
    case 'resume':
      turn.core.paused = input.type === 'pause';
      return;
    case 'tick':
      expireSessions(turn);
      expireFences(turn);
      return;
    default:
      return unreachable(input);
  }
}

/** Hops joined in memory: frames for this node itself, until none is left. */
function takeLocal(turn: Turn): void {
  for (let frame = turn.local.shift(); frame; frame = turn.local.shift()) {
    onFrame(turn, turn.core.self, frame);
  }
}

/**
 * What the break may have swallowed: un-acked tokens go again (S7), then sessions and epochs are
 * named (S4). In this order a token that was lost is no reason for a new epoch.
 */
function onSocketBack(turn: Turn): void {
  const sessions = [...turn.core.sessions.values()];
  for (const seat of allSeats(turn.core)) {
    for (const token of seat.flow.unacked) tellOwner(turn, token);
  }
  const named = sessions.map(({ id, prepare }) => ({ session: id, epoch: prepare.epoch }));
  tellOwner(turn, { type: 'resync', sessions: named });
}

export function viewStage(core: StageCore): StageView {
  const turn: Turn = { core, out: [], local: [], now: 0 as InstantMs };
  return {
    sessions: core.sessions.size,
    progress: [...allSeats(core)].map((seat) => ({
      session: seat.session.id,
      epoch: seat.session.prepare.epoch,
      place: seat.place,
      taken: seat.flow.takenTo,
      sent: sentTo(turn, seat),
    })),
    tokensSampled: core.tokensSampled,
    runs: core.runs,
    keptBytes: keptTotal(turn),
    deadline: deadlineOf(core),
  };
}

function deadlineOf(core: StageCore): InstantMs {
  let deadline = Infinity as InstantMs;
  for (const { until } of core.held) deadline = Math.min(deadline, until) as InstantMs;
  for (const { heardAt } of core.sessions.values()) {
    deadline = Math.min(deadline, later(heardAt, TIMES.stageExpiryMs)) as InstantMs;
  }
  return deadline;
}
