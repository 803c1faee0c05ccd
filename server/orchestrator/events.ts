import type { FaultCode } from '#lib/kernel/errors.ts';
import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import type { KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import type { LayerRange, Numerics } from '#lib/webgpu/model.ts';
import type { ServerMessage } from '#lib/shard/wire/node-messages.ts';
import type { HubEvent } from '#server/signaling/hub.ts';
import type { AnswerEvent, AnswerRequest } from './answers.ts';
import type { LogEntry } from './log.ts';
import type {
  FenceReason,
  LossCause,
  NodeRecord,
  OrchestratorState,
  SessionRecord,
} from './state.ts';

/** The seam between the orchestrator's core and its shell. */

export type OrchestratorInput =
  | { readonly type: 'hub'; readonly event: HubEvent }
  /** Admitted by `refusalOf`; the id is random and never used again (S10). */
  | { readonly type: 'start'; readonly session: SessionId; readonly request: AnswerRequest }
  | { readonly type: 'cancel'; readonly session: SessionId }
  /** Answer to `expect`, or why there is none just now. */
  | {
      readonly type: 'expected';
      readonly question: Question;
      readonly result: { readonly answer: KnownAnswer } | { readonly fault: FaultCode };
    }
  | { readonly type: 'tick' };

export type OrchestratorOutput =
  | {
      readonly type: 'send';
      readonly node: NodeId;
      readonly incarnation: number;
      readonly message: ServerMessage;
    }
  | {
      readonly type: 'introduce';
      readonly a: NodeId;
      readonly b: NodeId;
      readonly relayOnly: boolean;
    }
  | { readonly type: 'part'; readonly a: NodeId; readonly b: NodeId }
  | {
      readonly type: 'fence';
      readonly node: NodeId;
      readonly incarnation: number;
      readonly reason: FenceReason;
    }
  /** Recompute a known answer (M7). */
  | { readonly type: 'expect'; readonly question: Question }
  | { readonly type: 'event'; readonly session: SessionId; readonly event: AnswerEvent }
  | { readonly type: 'log'; readonly entry: LogEntry };

/** What a node was asked, and the numerics in which the server recomputes it. */
export interface Question {
  readonly range: LayerRange;
  readonly seed: number;
  readonly numerics: Numerics;
}

export interface Loss {
  readonly node: NodeRecord;
  readonly cause: LossCause;
}

/** One step at work: handlers replace `state`, push to `out` and raise flags for its end. */
export interface Turn {
  state: OrchestratorState;
  readonly out: OrchestratorOutput[];
  readonly now: InstantMs;
  /** Nodes whose places are void and whose sessions were not told yet. */
  readonly losses: Loss[];
  /** Nodes came, went or changed what they hold: plan again. */
  replan: boolean;
  /** A route may exist that did not before: waiting sessions and requests try again. */
  wake: boolean;
}

export const update = (turn: Turn, change: Partial<OrchestratorState>): void => {
  turn.state = { ...turn.state, ...change };
};

export function setNode(turn: Turn, node: NodeRecord): void {
  update(turn, { nodes: new Map(turn.state.nodes).set(node.id, node) });
}

/** Changes a node that is still there in that incarnation. */
export function changeNode(turn: Turn, node: NodeRecord, change: Partial<NodeRecord>): NodeRecord {
  const changed = { ...(turn.state.nodes.get(node.id) ?? node), ...change };
  setNode(turn, changed);
  return changed;
}

export function setSession(turn: Turn, session: SessionRecord): void {
  update(turn, { sessions: new Map(turn.state.sessions).set(session.id, session) });
}

export function sendNode(turn: Turn, node: NodeRecord, message: ServerMessage): void {
  turn.out.push({ type: 'send', node: node.id, incarnation: node.incarnation, message });
}

export function logEntry(turn: Turn, entry: LogEntry): void {
  turn.out.push({ type: 'log', entry });
}
