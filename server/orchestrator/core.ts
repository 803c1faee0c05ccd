import { unreachable } from '#lib/kernel/assert.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import type { OrchestratorInput, OrchestratorOutput, Turn } from './events.ts';
import { tendLinks } from './links.ts';
import { tickLiveness } from './loss.ts';
import { onHubEvent } from './nodes.ts';
import { tellLosses, tickSessions, wakeSessions } from './owners.ts';
import { replan, tickPlanning } from './planning.ts';
import { cancelRequest, pumpQueue, startRequest, tickQueue } from './queue.ts';
import type { OrchestratorState } from './state.ts';
import { onExpected, tickTrust } from './trust.ts';

/**
 * A cluster's orchestrator as a pure core: who is alive, who holds what, which session runs where.
 * One input at one instant; returns `state` itself where nothing changed.
 */
export function stepOrchestrator(
  state: OrchestratorState,
  input: OrchestratorInput,
  now: InstantMs,
): readonly [OrchestratorState, readonly OrchestratorOutput[]] {
  const turn: Turn = { state, out: [], now, losses: [], replan: false, wake: false };
  takeInput(turn, input);
  tellLosses(turn);
  if (turn.replan) replan(turn);
  if (turn.replan || turn.wake || input.type === 'tick') tendLinks(turn);
  if (turn.wake) {
    wakeSessions(turn);
    pumpQueue(turn);
    tellLosses(turn);
  }
  return [turn.state, turn.out];
}

function takeInput(turn: Turn, input: OrchestratorInput): void {
  switch (input.type) {
    case 'hub':
      return onHubEvent(turn, input.event);
    case 'start':
      return startRequest(turn, input.session, input.request);
    case 'cancel':
      return cancelRequest(turn, input.session);
    case 'expected':
      return onExpected(turn, input);
    case 'tick':
      return onTick(turn);
    default:
      return unreachable(input);
  }
}

function onTick(turn: Turn): void {
  tickLiveness(turn);
  tickTrust(turn);
  tickSessions(turn);
  tickQueue(turn);
  tickPlanning(turn);
  if (turn.state.queue.length > 0) turn.wake = true;
}
