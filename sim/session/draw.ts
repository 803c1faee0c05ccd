import type { Random } from '#lib/kernel/random.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import { conversations } from './conversations.ts';
import { drafted, plain } from './drafted.ts';
import { staged } from './plays.ts';
import {
  AMBUSH_ON,
  DISTURBANCES,
  KEPT_BLOCK_BYTES,
  LIES,
  type DisturbanceKind,
  type Scenario,
  type SessionDraw,
} from './scenario.ts';

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
    frameTrouble: random.chance(0.5) ? 0 : random.pick([0.005, 0.02, 0.06]),
    evenNodes: false,
    salted: random.chance(0.5),
    patienceMs: null,
    blameless: false,
    mayFail: false,
    drafting: layers % 3 === 0 ? 'measured' : 'always',
    framesFirst: random.chance(0.5),
    together: random.chance(0.5),
    planner: random.chance(0.4) ? 'placement' : 'wild',
    habit: null,
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
  const kind = random.unit();
  if (kind < 0.25) return focused(random, scenario, spanMs);
  if (kind < 0.7) return staged(random, scenario);
  if (kind < 0.76) return lied(random, scenario);
  // Drawn last, so that all other seeds stay as they are.
  if (random.chance(0.4)) return conversations(random, scenario);
  return random.chance(0.5) ? drafted(random, scenario) : scenario;
}

/** A world in which nothing goes wrong, no guess either, and nothing ends an answer early. */
export function drawCalm(random: Random): Scenario {
  const scenario = drawScenario(random);
  return {
    ...scenario,
    nodes: scenario.stages + 1,
    sessions: scenario.sessions
      .slice(0, 1)
      // Links are open by then.
      .map((session) => ({
        ...session,
        promptIds: session.promptIds.slice(0, 12),
        maxTokens: Math.min(8, session.maxTokens),
        atMs: session.atMs + 100,
        seed: plain(session.seed),
        cancelAtMs: null,
        stops: [],
      })),
    skew: 1,
    evenNodes: true,
    pagesMax: 1000,
    keptBytesMax: KEPT_BLOCK_BYTES * 10_000,
    frameTrouble: 0,
    patienceMs: null,
    planner: 'placement',
    habit: null,
    disturbances: [],
    ambushes: [],
  };
}

/** Noticed at once, by the node itself, its peers or its socket: no deadline has to pass. */
const QUICK = [
  'link-flap',
  'socket-drop',
  'sockets-drop',
  'leave',
  'pause',
  'shard-gone',
  'run-fails',
  'crash',
] as const;
/** Noticed by a deadline: twice the least one, then a relay or another node. */
const SILENT = ['lose-frame', 'drop-it', 'one-way', 'hang'] as const;

const BLAMELESS: readonly DisturbanceKind[] = [
  'link-flap',
  'socket-drop',
  'sockets-drop',
  'lose-frame',
  'drop-it',
  'one-way',
];

/** What happens to a frame, happens while there is one. */
const OF_FRAMES: readonly DisturbanceKind[] = ['link-flap', 'lose-frame', 'drop-it', 'one-way'];
const FRAMES = ['frame:rows', 'frame:rows', 'frame:token', 'frame:chunk-ack'] as const;

/** One kind of trouble alone, to see that it is overcome by its own rule and not by a later one. */
function focused(random: Random, scenario: Scenario, spanMs: number): Scenario {
  const isQuick = random.chance(0.7);
  const kind = isQuick ? random.pick(QUICK) : random.pick(SILENT);
  // Sockets come back, and closed ones are noticed, within the grace of 500 ms.
  const size = kind === 'hang' ? 1 : random.unit() * 0.6;
  const isOfFrames = OF_FRAMES.includes(kind);
  const isAmbush = isOfFrames || random.chance(0.5);
  const nth = random.below(random.pick([3, 20]));
  const on = random.pick(isOfFrames ? FRAMES : AMBUSH_ON);
  const ambush = { on, nth, after: random.chance(0.7), kind, size };
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
    patienceMs: isQuick ? 950 : 9000,
    blameless: BLAMELESS.some((each) => each === kind),
    sessions: scenario.sessions
      .slice(0, 2)
      .map((session) => ({ ...session, cancelAtMs: null, eosIds: [], stops: [] })),
    disturbances: isAmbush ? [] : [{ atMs: random.unit() * spanMs, kind, size }],
    ambushes: isAmbush ? [ambush] : [],
  };
}

/** From one of its first reports on a holder lies; there are two spares, or nobody else at all. */
function lied(random: Random, scenario: Scenario): Scenario {
  const lie = random.pick(LIES);
  const isAlone = lie === 'finds-fault' && random.chance(0.3);
  const stages = isAlone ? 1 : (lie === 'poisons' ? 2 : 1) + random.below(2);
  const sessions = scenario.sessions.slice(0, 2).map((session) => ({
    ...session,
    maxTokens: 4 + random.below(12),
    promptIds: Array.from({ length: 2 + random.below(12) }, () => random.below(1000)),
    cancelAtMs: null,
    eosIds: [],
    stops: [],
  }));
  const rows = Math.max(
    ...sessions.map(({ promptIds, maxTokens }) => promptIds.length + maxTokens),
  );
  return {
    ...scenario,
    layers: stages * 2,
    stages,
    nodes: isAlone ? 1 : stages + 2,
    hopMs: Math.min(scenario.hopMs, 2),
    skew: 1,
    rowMs: Math.min(scenario.rowMs, 1),
    evenNodes: true,
    loadMs: 30,
    pagesMax: 1000,
    keptBytesMax: KEPT_BLOCK_BYTES * 10_000,
    frameTrouble: 0,
    // Who says everything just in time can make each row and token wait for one deadline.
    patienceMs: lie === 'dawdles' ? rows * TIMES.deadlineMinMs : 20_000,
    mayFail: isAlone,
    planner: 'placement',
    sessions,
    disturbances: [],
    ambushes: [{ on: 'report', nth: random.below(4), after: false, kind: lie, size: 0 }],
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
    stops: random.chance(0.15) ? drawStops(random) : [],
    prefix: null,
    follows: null,
  };
}

/** Over the letters of `textOf`: some are said soon, some never, some only half. */
function drawStops(random: Random): string[] {
  return Array.from({ length: 1 + random.below(3) }, () =>
    Array.from({ length: 1 + random.below(5) }, () => random.pick(['a', 'b', 'c'])).join(''),
  );
}
