import type { InstantMs } from '#lib/kernel/units.ts';
import type { Epoch, NodeId, Place } from '#lib/kernel/ids.ts';
import type { OwnerMessage, Progress } from '#lib/shard/wire/session-messages.ts';
import type { OwnerOutput, PlannedPlace, RoutePlan, SessionRequest } from './types.ts';

/** What a place last said of itself in this epoch (S5). */
export interface Report {
  readonly kvLength: number;
  readonly keptFrom: number;
}

/** A place of the current route. `since`: the epoch in which this holder took its range (S5). */
export interface HeldPlace extends PlannedPlace {
  readonly since: Epoch;
}

/** The route of one epoch; only the owner makes one (S2). */
export interface Route {
  readonly epoch: Epoch;
  readonly plan: RoutePlan;
  readonly places: readonly HeldPlace[];
  /** L = P + k − 1, with k as it was when the epoch began. */
  readonly resumeAt: number;
  /** A token was accepted in this epoch: every order of it has arrived (S4). */
  readonly proven: boolean;
  /** Nodes that answered `prepare`, from a thread that does not compute (V1). */
  readonly prepared: ReadonlySet<NodeId>;
  readonly reports: readonly (Report | null)[];
  /** Where each place starts to compute; null until the fill is ordered. */
  readonly starts: readonly number[] | null;
  /** How far each place was seen to get in this fill: its start at first, never less again. */
  readonly reached: readonly number[];
  /** By place, as the pongs of this epoch told (V1). */
  readonly progress: ReadonlyMap<Place, Progress>;
}

export type Outcome = Extract<OwnerOutput, { type: 'done' }>['outcome'];

/** `by` refused what `of` sent it, so many times. */
export interface Complaint {
  readonly by: NodeId;
  readonly of: NodeId;
  readonly times: number;
}

/** One way to be at a time. `routing` keeps the old route: its living holders stay (S6). */
export type Phase =
  /** `asked`: a `route` input is due. `noRoom`: the holder whose `room` also ends the wait (S11). */
  | {
      readonly kind: 'routing';
      readonly asked: boolean;
      readonly noRoom: { readonly node: NodeId; readonly incarnation: number } | null;
      /** Asked because a node was put off: null means that nobody else is there. */
      readonly isPutOff: boolean;
    }
  | { readonly kind: 'preparing' }
  | { readonly kind: 'filling' }
  | { readonly kind: 'decoding' }
  | { readonly kind: 'done'; readonly outcome: Outcome };

/** The owner of one session: the truth about its tokens (S1). Never changed in place. */
export interface OwnerState {
  readonly request: SessionRequest;
  readonly acceptedIds: readonly number[];
  /** Names of the whole pages below the present epoch's L; none where nothing is shared. */
  readonly pages: readonly string[];
  readonly phase: Phase;
  readonly route: Route | null;
  /** Nodes of every epoch that still live, by their incarnation: all are told the end (S10). */
  readonly everyone: ReadonlyMap<NodeId, number>;
  /** Incarnations declared dead or gone: a plan made before we knew is not taken (V3). */
  readonly lost: ReadonlyMap<NodeId, number>;
  /** Epochs in a row that ended overdue: each doubles the next deadline (V1). */
  readonly overdue: number;
  /** Deadlines in a row that passed without progress: the second one looks for the culprit (V1). */
  readonly late: number;
  /** Nodes whose engine or load failed, with no progress since: twice declares them. */
  readonly broken: ReadonlySet<NodeId>;
  /** Who refused whose rows or ids, in the whole session. */
  readonly complaints: readonly Complaint[];
  /** How often each node said `fault` since the last accepted token. */
  readonly faults: ReadonlyMap<NodeId, number>;
  /** Living nodes that get no place in this session, and why (`put-off.ts`). */
  readonly putOff: ReadonlyMap<NodeId, 'complains' | 'accused' | 'faults'>;
  /** Epochs since the last accepted token, and how many of them a shortage of pages ended. */
  readonly vainEpochs: number;
  readonly vainRooms: number;
  /** Pairs whose direct path lost frames: by relay from now on (V1). */
  readonly suspects: readonly (readonly [NodeId, NodeId])[];
  readonly progressAt: InstantMs;
  /** When the next report or token is overdue. */
  readonly workDeadline: InstantMs;
  readonly keepAliveAt: InstantMs;
}

/** One step at work: handlers replace `state` and push to `out`. */
export interface Turn {
  state: OwnerState;
  readonly out: OwnerOutput[];
  readonly now: InstantMs;
}

/** Who a message came from, as its socket stamped it. */
export interface Sender {
  readonly node: NodeId;
  readonly incarnation: number;
}

export const update = (turn: Turn, change: Partial<OwnerState>): void => {
  turn.state = { ...turn.state, ...change };
};

export const updateRoute = (turn: Turn, change: Partial<Route>): void => {
  if (turn.state.route) update(turn, { route: { ...turn.state.route, ...change } });
};

export function sendTo(turn: Turn, to: Sender, message: OwnerMessage): void {
  const { node, incarnation } = to;
  turn.out.push({ type: 'send', node, incarnation, message });
}

/** A place's holder, if it still lives in the incarnation that took the place. */
export const lives = (state: OwnerState, place: Sender): boolean =>
  state.everyone.get(place.node) === place.incarnation;

/** The route's living holders, each node once. */
export function holders(state: OwnerState): Sender[] {
  const nodes = new Map<NodeId, Sender>();
  for (const place of state.route?.places ?? []) {
    if (lives(state, place)) nodes.set(place.node, place);
  }
  return [...nodes.values()];
}

export const sendToHolders = (turn: Turn, message: OwnerMessage): void => {
  for (const holder of holders(turn.state)) sendTo(turn, holder, message);
};

/** True where the sender holds that place in the current epoch and lives (S2, V3). */
export function speaksFor(
  state: OwnerState,
  from: Sender,
  at: { readonly epoch: Epoch; readonly place: Place },
): boolean {
  const place = state.route?.places[at.place];
  return (
    place !== undefined &&
    state.route?.epoch === at.epoch &&
    place.node === from.node &&
    place.incarnation === from.incarnation &&
    lives(state, from)
  );
}
