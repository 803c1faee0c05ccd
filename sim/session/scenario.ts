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
  const layers = 2 + random.below(6);
  const stages = 1 + random.below(Math.min(layers, 4));
  const nodes = Math.max(2, stages + random.below(4) - 1);
  const isTightOnPages = random.chance(0.2);
  const isTightOnKept = random.chance(0.35);
  const chunkRows = random.pick([2, 3, 5, 8]);
  const hopMs = random.pick([0.5, 2, 8, 20]);
  const rowMs = random.pick([0.2, 1, 4, 15]);
  const sessions = Array.from({ length: 1 + random.below(isTightOnPages ? 7 : 4) }, () =>
    drawSession(random),
  );
  // About as long as the longest answer takes undisturbed, so that trouble meets it at work.
  const roundMs = stages * (hopMs * 2 + rowMs);
  const spanMs = 60 + roundMs * (4 + Math.max(...sessions.map(({ maxTokens }) => maxTokens)));
  const scenario: Scenario = {
    layers,
    nodes,
    stages,
    sessions,
    chunkRows,
    hopMs,
    skew: random.pick([1, 10, 100, 1000]),
    rowMs,
    loadMs: random.pick([30, 200, 900]),
    pagesMax: isTightOnPages ? 18 + random.below(5) : 1000,
    keptBytesMax: KEPT_BLOCK_BYTES * (isTightOnKept ? chunkRows + 3 + random.below(5) : 10_000),
    frameTrouble: random.chance(0.5) ? 0 : random.pick([0.002, 0.01, 0.04]),
    evenNodes: false,
    salted: random.chance(0.5),
    patienceMs: null,
    blameless: false,
    framesFirst: random.chance(0.5),
    disturbances: Array.from({ length: random.below(7) }, () => ({
      atMs: random.unit() * spanMs * random.pick([1, 1, 4]),
      kind: random.pick(DISTURBANCES),
      size: random.unit(),
    })),
    ambushes: Array.from({ length: random.below(4) }, () => ({
      on: random.pick(AMBUSH_ON),
      nth: random.below(random.pick([3, 30])),
      after: random.chance(0.5),
      // What a message meets on its way is most often the end of its socket.
      kind: random.chance(0.3) ? 'socket-drop' : random.pick(DISTURBANCES),
      size: random.unit() * random.pick([0.1, 1]),
    })),
  };
  return random.chance(0.3) ? focused(random, scenario, spanMs) : scenario;
}

/** Noticed at once, by the node itself, its peers or its socket: no deadline has to pass. */
const QUICK = ['link-flap', 'socket-drop', 'leave', 'shard-gone', 'crash'] as const;
/** Noticed by a deadline: twice the least one, then a relay or another node. */
const SILENT = ['lose-frame', 'one-way', 'hang'] as const;

const BLAMELESS: readonly DisturbanceKind[] = ['link-flap', 'socket-drop', 'lose-frame', 'one-way'];

/** One kind of trouble alone, to see that it is overcome by its own rule and not by a later one. */
function focused(random: Random, scenario: Scenario, spanMs: number): Scenario {
  const isQuick = random.chance(0.7);
  const kind = isQuick ? random.pick(QUICK) : random.pick(SILENT);
  // Sockets come back, and closed ones are noticed, within the grace of 500 ms.
  const size = kind === 'hang' ? 1 : random.unit() * 0.6;
  const isAmbush = random.chance(0.5);
  const nth = random.below(random.pick([3, 20]));
  const ambush = { on: random.pick(AMBUSH_ON), nth, after: random.chance(0.5), kind, size };
  return {
    ...scenario,
    nodes: scenario.stages + 1,
    skew: 1,
    rowMs: Math.min(scenario.rowMs, 1),
    evenNodes: true,
    loadMs: 30,
    pagesMax: 1000,
    keptBytesMax: KEPT_BLOCK_BYTES * 10_000,
    frameTrouble: 0,
    patienceMs: isQuick ? 1400 : 9000,
    blameless: BLAMELESS.some((each) => each === kind),
    sessions: scenario.sessions
      .slice(0, 2)
      .map((session) => ({ ...session, cancelAtMs: null, eosIds: [] })),
    disturbances: isAmbush ? [] : [{ atMs: random.unit() * spanMs, kind, size }],
    ambushes: isAmbush ? [ambush] : [],
  };
}

function drawSession(random: Random): SessionDraw {
  const promptLength = 1 + random.below(random.pick([3, 20, 45]));
  return {
    atMs: random.unit() * random.pick([1, 100]),
    promptIds: Array.from({ length: promptLength }, () => random.below(1000)),
    maxTokens: 1 + random.below(random.pick([4, 24])),
    eosIds: random.chance(0.5) ? Array.from({ length: 16 }, () => random.below(1000)) : [],
    seed: random.below(2 ** 31),
    cancelAtMs: random.chance(0.1) ? random.unit() * 1500 : null,
  };
}
