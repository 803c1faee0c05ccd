import type { PrefixScope } from '#lib/shard/session/prefix.ts';

/** All that a seed decides before the clock starts. */
export interface Scenario {
  readonly layers: number;
  readonly nodes: number;
  readonly stages: number;
  readonly sessions: readonly SessionDraw[];
  readonly chunkRows: number;
  /** One-way delay of the fastest link; others are up to `skew` times slower. */
  readonly hopMs: number;
  readonly skew: number;
  readonly rowMs: number;
  /** All nodes and sockets are equally fast. */
  readonly evenNodes: boolean;
  readonly loadMs: number;
  readonly pagesMax: number;
  readonly keptBytesMax: number;
  /** A frame's chance to be lost, doubled or overtaken on a live link. */
  readonly frameTrouble: number;
  /** Ids depend on the epoch they were sampled in, as on GPUs (S9). */
  readonly salted: boolean;
  /** One disturbance of a kind that is noticed at once: it may delay an answer by so much. */
  readonly patienceMs: number | null;
  /** Only links and sockets are troubled: no node may be declared (V3). */
  readonly blameless: boolean;
  /** A node lies, and no other could take its place: an answer may end with a code. */
  readonly mayFail: boolean;
  /** The shell performs frames before messages to the owner. */
  readonly framesFirst: boolean;
  /** Whether ids are guessed wherever there is something to guess. */
  readonly drafting: 'measured' | 'always';
  /** Frames of one step to one peer are one message. */
  readonly together: boolean;
  /** Who answers for a route: placement's own rules, or a planner wilder than they are. */
  readonly planner: 'placement' | 'wild';
  /** What the wild planner does all the time, where it can. */
  readonly habit: PlannerHabit | null;
  readonly disturbances: readonly Disturbance[];
  readonly ambushes: readonly Ambush[];
}

/**
 * `adjacent`, `apart`: one node gets two hops, next to each other or not. `in-and-out`: living
 * holders are left out and get their place back.
 */
export type PlannerHabit = 'adjacent' | 'apart' | 'in-and-out';

export interface SessionDraw {
  readonly atMs: number;
  readonly promptIds: readonly number[];
  readonly maxTokens: number;
  readonly eosIds: readonly number[];
  readonly seed: number;
  /** Hangs up then; null: never. */
  readonly cancelAtMs: number | null;
  readonly stops: readonly string[];
  /** What of other sessions it may use (S3); null: nothing is shared. */
  readonly prefix: PrefixScope | null;
  /** Number of the session that it goes on from, once that has ended: its prompt begins with that one's. */
  readonly follows: number | null;
}

/** What any seed may do. */
export const DISTURBANCES = [
  'crash',
  'crash-back',
  'crash-two',
  'freeze',
  'hang',
  'busy',
  'slow',
  'leave',
  'pause',
  'join',
  'socket-drop',
  'sockets-drop',
  'link-close',
  'link-flap',
  'one-way',
  'lose-frame',
  'owner-dies',
  'shard-gone',
  'run-fails',
  'cancel',
] as const;

/** How a node lies whose core is honest (`liar.ts`). */
export const LIES = ['regrows', 'refuses', 'finds-fault', 'poisons', 'dawdles'] as const;
export type Lie = (typeof LIES)[number];

/** What needs a certain moment: only `plays.ts` asks for it. */
export const STAGED = [
  'crash-adjacent',
  'crash-apart',
  'zombie-early',
  'zombie-late',
  'crash-holder',
  'drop-it',
  ...LIES,
] as const;
export type DisturbanceKind = (typeof DISTURBANCES)[number] | (typeof STAGED)[number];

export interface Disturbance {
  readonly atMs: number;
  readonly kind: DisturbanceKind;
  /** Scales how long it lasts, in [0, 1). */
  readonly size: number;
}

/** Messages on whose way a disturbance waits. */
export const AMBUSH_ON = [
  'prepare',
  'fill',
  'handover',
  'ack',
  'release',
  'end',
  'prepared',
  'report',
  'fault',
  'token',
  'resync',
  'frame:rows',
  'frame:token',
  'frame:chunk-ack',
] as const;

/** Phases of an owner during a failover: from the doubt to the next accepted token. */
export const FAILOVER_PHASES = ['routing', 'preparing', 'filling', 'decoding'] as const;
type FailoverPhase = (typeof FAILOVER_PHASES)[number];

/**
 * Strikes the node at the node's end of the `nth` message of a kind, just before or after it; or a
 * holder of a session that enters a phase of its failover.
 */
export interface Ambush {
  readonly on: (typeof AMBUSH_ON)[number] | 'room' | `failover:${FailoverPhase}`;
  readonly nth: number;
  readonly after: boolean;
  readonly kind: DisturbanceKind;
  readonly size: number;
}

/** Four rows of two values. */
export const KEPT_BLOCK_BYTES = 4 * 2 * 4;
