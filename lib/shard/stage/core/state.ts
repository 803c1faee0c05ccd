import type { InstantMs } from '#lib/kernel/units.ts';
import type { Epoch, NodeId, Place, SessionId } from '#lib/kernel/ids.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { Frame, RowsFrame, TokenFrame } from '#lib/shard/wire/frame.ts';
import type { FaultWhy, Prepare, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { KvOrder, RunSegment, StageOutput } from '../types.ts';
import { NO_DRAFTS, type Drafts, type Guesser } from './guesser.ts';
import type { KeptRows } from './kept-rows.ts';
import { emptyStepTimes, type StepLoad, type StepTimes } from './step-times.ts';

/**
 * A node's side of the ring. `stepStage` takes the state over and changes it in place: kept rows
 * are megabytes, and a copy a step would cost more than the step. It is as deterministic as a copy.
 */
export interface StageCore {
  readonly self: NodeId;
  readonly options: StageCoreOptions;
  readonly sessions: Map<SessionId, Session>;
  /** Ended (epoch ∞) or released sessions: no `prepare` up to that epoch opens them again (S10). */
  readonly fences: Map<SessionId, Fence>;
  /** Frames that came before the `prepare` of their epoch (S2). */
  held: HeldFrame[];
  /** Faults told of such frames since an instant less than a second ago. */
  heldTold: { readonly since: InstantMs; readonly faults: number };
  readonly links: Map<NodeId, 'direct' | 'relay'>;
  readonly shards: Map<string, Shard>;
  running: Running | null;
  /** A run ended then, and what came while it ran has not been taken: no other is planned yet. */
  restsSince: InstantMs | null;
  paused: boolean;
  /** Runs begun so far; names the next one. */
  runs: number;
  tokensSampled: number;
  /** Frames dropped as late, doubled or foreign: for the operator, never held against a peer. */
  framesDropped: number;
  /** Sessions opened so far: the youngest gives way first (S11). */
  opened: number;
}

export interface StageCoreOptions {
  /** Kept rows of all sessions together (S11). */
  readonly keptBytesMax: number;
  /** Kept rows come and go in blocks of so many. */
  readonly keptBlockRows: number;
  /** Whether ids are guessed where that was measured to pay, or wherever there is something to guess. */
  readonly drafting: 'measured' | 'always';
}

export interface Fence {
  readonly epoch: Epoch;
  readonly until: InstantMs;
}

export interface HeldFrame {
  readonly from: NodeId;
  readonly frame: Frame;
  readonly until: InstantMs;
}

/** A loaded range, or one that is on its way (`limits` null). */
export interface Shard {
  limits: {
    readonly pagePositions: number;
    readonly pagesMax: number;
    readonly rowsMax: number;
    /** Values a row: what a frame must bring. */
    readonly rowWidth: number;
    readonly vocab: number;
  } | null;
  /** Number of its latest run: the shard that waited longest runs next. */
  lastRun: number;
  /** What its runs have taken so far while somebody's answer was under way here: prefill is cut by it (S12). */
  readonly times: StepTimes;
  /** And those of prefill alone: many rows cost less each than few, and would make a short chunk too long. */
  readonly aloneTimes: StepTimes;
  /** By which share they were longer than predicted, of late. */
  surprise: number;
  /** By route: what a draft adds to a round of one row, as a share of it, as last seen (`CostGuess`). */
  readonly draftCosts: Map<string, { readonly ofRound: number; trust: number }>;
  /** Prefill had work in the latest run and got no row. */
  prefillWaits: boolean;
}

/** The one engine run in flight, and the KV orders that must wait for its end. */
export interface Running {
  readonly run: number;
  readonly shard: string;
  readonly segments: readonly RunSegment[];
  /** The flow each segment was taken from: where its seat has another by now, it is void (S5). */
  readonly flows: readonly Flow[];
  readonly after: KvOrder[];
  /** As predicted: milliseconds that its prefill adds, and when the run ends. */
  readonly prefill: { readonly ms: number; readonly until: InstantMs };
  readonly load: StepLoad;
  /** The prices it was predicted by, which learn from it. */
  readonly times: StepTimes;
}

export interface Session {
  readonly id: SessionId;
  /** Age: a higher number is younger. */
  readonly order: number;
  prepare: Prepare;
  /** Latest frame or keep-alive of the current epoch (S10). */
  heardAt: InstantMs;
  seats: Seat[];
  /** Its pages were given back: it takes no frames, and `room` is told once (S11). */
  room: 'kept' | 'wanted' | 'told';
  /** Of what its answer has to fit; `none` until this node is the last place (S8). */
  grammar: 'none' | 'wanted' | 'ready';
}

/** A place of a session's route that this node holds. */
export interface Seat {
  readonly session: Session;
  readonly place: Place;
  readonly range: LayerRange;
  readonly shard: string;
  readonly since: Epoch;
  /** Names its KV at the shell, as `place`: stays when the route's places shift. */
  readonly slot: number;
  kvOpen: boolean;
  /** It was asked which pages of the prompt are here already: what its KV holds is not known (S5). */
  sharing: boolean;
  /** Pages below this position have their names (S3). */
  namedTo: number;
  /** Positions computed: the KV holds exactly those below. */
  kvLength: number;
  /** What it computed for the next place; `to` is `kvLength` where there is a next place. */
  kept: KeptRows;
  flow: Flow;
}

/** What a seat knows of the current epoch; made anew by every `prepare` (S5). */
export interface Flow {
  /** Rows frames taken and not yet computed, in order. */
  inbox: RowsFrame[];
  /** Stage 0: the ids to embed next, in one step: one, and drafts. */
  next: { readonly position: number; readonly ids: readonly number[] } | null;
  /** Seq due on the hop to this place (S2). */
  inSeq: number;
  /** One past the last position taken; of a step of several rows, past its first (V1). */
  takenTo: number;
  /** Rows frames of this hop computed: what a chunk ack tells (S12). */
  framesDone: number;
  filled: boolean;
  handedOver: boolean;
  reported: boolean;
  outSeq: number;
  /** Next position to send; L until a fill order says otherwise. */
  sendFrom: number;
  /** First position of the last step computed, its rows ≥ L; L − 1 before the first. */
  stepAt: number;
  /** First position of the last step sent. */
  stepSent: number | null;
  chunksSent: number;
  chunksAcked: number;
  /** Last place: sampled and not yet acked by the owner, in order of index (S7). */
  unacked: Extract<StageMessage, { type: 'token' }>[];
  /** A token for stage 0 that waits for its link. */
  tokenOut: Pick<TokenFrame, 'position' | 'id' | 'drafts'> | null;
  /** Last place: what it guessed for the step that comes next, and from what. */
  drafts: Drafts;
  guesser: Guesser | null;
  /** One past the position of the last token sampled: what the last place has sent (V1). */
  sampledTo: number;
  /** Last place: sampled in this epoch, from position L + 1 on, where the next choice looks at them. */
  sampledIds: number[];
  /** Number of its latest run: who waited longest is served first. */
  lastRun: number;
  /** For how many milliseconds prefill in other runs has kept the row that waits (S12). */
  prefillMs: number;
  /** One fault an epoch is enough. */
  faulted: boolean;
}

/** One step at work. Frames for this node itself wait in `local` and are taken in the same step. */
export interface Turn {
  readonly core: StageCore;
  readonly out: StageOutput[];
  readonly local: Frame[];
  readonly now: InstantMs;
}

export const emptyFlow = (resumeAt: number): Flow => ({
  inbox: [],
  next: null,
  inSeq: 0,
  takenTo: resumeAt,
  framesDone: 0,
  filled: false,
  handedOver: false,
  reported: false,
  outSeq: 0,
  sendFrom: resumeAt,
  stepAt: resumeAt - 1,
  stepSent: null,
  chunksSent: 0,
  chunksAcked: 0,
  unacked: [],
  tokenOut: null,
  drafts: NO_DRAFTS,
  guesser: null,
  sampledTo: resumeAt,
  sampledIds: [],
  lastRun: 0,
  prefillMs: 0,
  faulted: false,
});

export const newShard = (limits: Shard['limits'], lastRun: number): Shard => ({
  limits,
  lastRun,
  times: emptyStepTimes(),
  aloneTimes: emptyStepTimes(),
  surprise: 0,
  draftCosts: new Map(),
  prefillWaits: false,
});

export const isLast = (seat: Seat): boolean => seat.place === seat.session.prepare.route.length - 1;

/** Its rows are of tokens and drafts from here on: the KV has reached L. */
export const isDecoding = (seat: Seat): boolean =>
  seat.kvLength >= seat.session.prepare.resumeAt && seat.session.room === 'kept';

/** A row or id to decode has come: for so long the prefill of the run in flight keeps it (S12). */
export function prefillAhead({ core, now }: Turn): number {
  if (!core.running) return 0;
  const { ms, until } = core.running.prefill;
  return Math.max(0, Math.min(ms, until - now));
}

export function* allSeats(core: StageCore): Generator<Seat> {
  for (const session of core.sessions.values()) yield* session.seats;
}

export const tellOwner = (turn: Turn, message: StageMessage): void => {
  turn.out.push({ type: 'owner', message });
};

/** Doubt goes to the owner, once an epoch and place; peers ask each other for nothing (S3). */
export function fault(turn: Turn, seat: Seat, why: FaultWhy): void {
  if (seat.flow.faulted) return;
  seat.flow.faulted = true;
  const { id, prepare } = seat.session;
  tellOwner(turn, { type: 'fault', session: id, epoch: prepare.epoch, place: seat.place, why });
}

/** How far KV and kept rows of a seat reach (S5). */
export function report(turn: Turn, seat: Seat): void {
  const { id, prepare } = seat.session;
  seat.flow.reported = true;
  tellOwner(turn, {
    type: 'report',
    session: id,
    epoch: prepare.epoch,
    place: seat.place,
    kvLength: seat.kvLength,
    keptFrom: isLast(seat) ? seat.kvLength : seat.kept.from,
  });
}
