import type { Random } from '#lib/kernel/random.ts';

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
  readonly loadMs: number;
  readonly pagesMax: number;
  readonly keptBytesMax: number;
  /** A frame's chance to be lost, doubled or overtaken on a live link. */
  readonly frameTrouble: number;
  /** The shell performs frames before messages to the owner. */
  readonly framesFirst: boolean;
  readonly disturbances: readonly Disturbance[];
  readonly ambushes: readonly Ambush[];
}

export interface SessionDraw {
  readonly atMs: number;
  readonly promptIds: readonly number[];
  readonly maxTokens: number;
  readonly eosIds: readonly number[];
  readonly seed: number;
  /** Hangs up then; null: never. */
  readonly cancelAtMs: number | null;
}

export const DISTURBANCES = [
  'crash',
  'crash-back',
  'crash-two',
  'freeze',
  'hang',
  'slow',
  'leave',
  'join',
  'socket-drop',
  'link-close',
  'link-flap',
  'one-way',
  'lose-frame',
  'owner-dies',
  'shard-gone',
  'cancel',
] as const;
export type DisturbanceKind = (typeof DISTURBANCES)[number];

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
  'frame:rows',
  'frame:token',
  'frame:chunk-ack',
] as const;

/** Strikes the node at the node's end of the `nth` message of a kind, just before or after it. */
export interface Ambush {
  readonly on: (typeof AMBUSH_ON)[number];
  readonly nth: number;
  readonly after: boolean;
  readonly kind: DisturbanceKind;
  readonly size: number;
}

const KEPT_BLOCK_BYTES = 4 * 2 * 4;

export function drawScenario(random: Random): Scenario {
  const isCalm = random.chance(0.08);
  const layers = 2 + random.below(6);
  const nodes = 2 + random.below(5);
  const stages = 1 + random.below(Math.min(layers, nodes, 4));
  const spanMs = random.pick([400, 1500, 5000]);
  const isTightOnPages = random.chance(0.2);
  const isTightOnKept = random.chance(0.25);
  return {
    layers,
    nodes,
    stages,
    sessions: Array.from({ length: 1 + random.below(3) }, () => drawSession(random, isCalm)),
    chunkRows: random.pick([2, 3, 5, 8]),
    hopMs: random.pick([0.5, 2, 8]),
    skew: random.pick([1, 10, 100, 1000]),
    rowMs: random.pick([0.2, 1, 4]),
    loadMs: random.pick([30, 200, 900]),
    pagesMax: isTightOnPages ? 14 + random.below(10) : 1000,
    keptBytesMax: KEPT_BLOCK_BYTES * (isTightOnKept ? 6 + random.below(10) : 10_000),
    frameTrouble: isCalm || random.chance(0.6) ? 0 : random.pick([0.002, 0.01]),
    framesFirst: random.chance(0.5),
    disturbances: Array.from({ length: isCalm ? 0 : random.below(7) }, () => ({
      atMs: random.unit() * spanMs,
      kind: random.pick(DISTURBANCES),
      size: random.unit(),
    })),
    ambushes: Array.from({ length: isCalm ? 0 : random.below(4) }, () => ({
      on: random.pick(AMBUSH_ON),
      nth: random.below(random.pick([3, 30])),
      after: random.chance(0.5),
      kind: random.pick(DISTURBANCES),
      size: random.unit(),
    })),
  };
}

function drawSession(random: Random, isCalm: boolean): SessionDraw {
  const promptLength = 1 + random.below(random.pick([3, 20, 45]));
  return {
    atMs: random.unit() * random.pick([1, 1000]),
    promptIds: Array.from({ length: promptLength }, () => random.below(1000)),
    maxTokens: 1 + random.below(random.pick([4, 24])),
    eosIds: random.chance(0.5) ? Array.from({ length: 16 }, () => random.below(1000)) : [],
    seed: random.below(2 ** 31),
    cancelAtMs: !isCalm && random.chance(0.1) ? random.unit() * 3000 : null,
  };
}
