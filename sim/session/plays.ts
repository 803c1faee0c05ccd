import type { Random } from '#lib/kernel/random.ts';
import { pagesOfLongest } from './fake-engine.ts';
import {
  FAILOVER_PHASES,
  KEPT_BLOCK_BYTES,
  type Ambush,
  type DisturbanceKind,
  type Scenario,
  type SessionDraw,
} from './scenario.ts';

/** Scenes that chance alone would seldom meet: each sets up one of the named events. */
type Play = (random: Random, scenario: Scenario) => Partial<Scenario>;

const strike = (on: Ambush['on'], kind: DisturbanceKind, more: Partial<Ambush> = {}): Ambush => ({
  on,
  kind,
  nth: 0,
  after: true,
  size: 0.3,
  ...more,
});

/** Answers long enough that trouble meets them at work, which nobody ends before. */
const longAnswers = (random: Random, { sessions }: Scenario): SessionDraw[] =>
  sessions.slice(0, 2).map((session) => ({
    ...session,
    maxTokens: 10 + random.below(16),
    cancelAtMs: null,
    eosIds: [],
    stops: [],
  }));

const route = (stages: number, spares: number): Partial<Scenario> => ({
  layers: stages * 2,
  stages,
  nodes: stages + spares,
});

const CAUSES = ['leave', 'crash-back', 'link-flap'] as const;

/** A holder is lost; then something happens in one phase of the failover that follows. */
const inFailover =
  (kind: DisturbanceKind, phase: (typeof FAILOVER_PHASES)[number]): Play =>
  (random, scenario) => ({
    ...route(2 + random.below(2), 2),
    sessions: longAnswers(random, scenario),
    planner: random.pick(['placement', 'wild']),
    ambushes: [
      strike('frame:token', phase === 'routing' ? 'leave' : random.pick(CAUSES), {
        nth: random.below(6),
        after: random.chance(0.5),
      }),
      strike(`failover:${phase}`, kind, { nth: random.pick([0, 0, 1]), size: random.unit() }),
    ],
  });

/** The socket that a message travels on drops with it. */
const lostOnSocket =
  (on: Ambush['on']): Play =>
  (random, scenario) => ({
    ...route(1 + random.below(3), 1),
    sessions: longAnswers(random, scenario),
    ambushes: [
      strike('frame:rows', 'link-flap', { nth: random.below(8) }),
      strike(on, 'socket-drop', { nth: random.below(6), size: random.unit() * 0.6 }),
    ],
  });

const lastStageDies =
  (first: 'owner' | 'stage 0'): Play =>
  (random, scenario) => ({
    ...route(2 + random.below(3), 1),
    sessions: longAnswers(random, scenario),
    framesFirst: first === 'stage 0',
    ambushes: [
      strike('token', random.pick(['crash', 'crash-back']), {
        nth: random.below(8),
        after: first === 'owner',
      }),
    ],
  });

const twoDie =
  (kind: 'crash-adjacent' | 'crash-apart'): Play =>
  (random, scenario) => ({
    ...route(4, 2),
    sessions: longAnswers(random, scenario),
    ambushes: [strike('frame:rows', kind, { nth: random.below(30), size: random.unit() })],
  });

const zombie =
  (kind: 'zombie-early' | 'zombie-late'): Play =>
  (random, scenario) => ({
    ...route(2 + random.below(2), 1),
    sessions: longAnswers(random, scenario),
    hopMs: random.pick([0.5, 2]),
    skew: 1,
    rowMs: 15,
    ambushes: [strike('frame:rows', kind, { nth: random.below(12), size: random.unit() })],
  });

const twoHops =
  (habit: 'adjacent' | 'apart'): Play =>
  (random, scenario) => ({
    ...route(3 + random.below(2), random.below(2)),
    sessions: longAnswers(random, scenario),
    planner: 'wild',
    habit,
    ambushes: [
      strike('frame:rows', random.pick(['crash', 'leave', 'link-flap', 'one-way']), {
        nth: random.below(25),
        size: random.unit(),
      }),
    ],
  });

const PLAYS: readonly Play[] = [
  lastStageDies('owner'),
  lastStageDies('stage 0'),
  twoDie('crash-adjacent'),
  twoDie('crash-apart'),
  zombie('zombie-early'),
  zombie('zombie-late'),
  twoHops('adjacent'),
  twoHops('apart'),
  ...FAILOVER_PHASES.map((phase) => inFailover('cancel', phase)),
  ...FAILOVER_PHASES.map((phase) => inFailover('crash-holder', phase)),
  ...(['prepare', 'report', 'fill', 'handover', 'ack', 'end'] as const).map(lostOnSocket),
  // All sockets of the owner's process at once.
  (random, scenario) => ({
    sessions: longAnswers(random, scenario),
    ambushes: [
      strike(random.pick(['token', 'ack', 'report']), 'sockets-drop', {
        nth: random.below(12),
        size: random.unit(),
      }),
    ],
  }),
  // A direct path dead one way, between two that live: more than one, now and then.
  (random, scenario) => ({
    ...route(2 + random.below(3), 1),
    sessions: longAnswers(random, scenario),
    ambushes: Array.from({ length: 1 + random.below(2) }, () =>
      strike(random.pick(['frame:rows', 'frame:token', 'frame:chunk-ack']), 'one-way', {
        nth: random.below(20),
      }),
    ),
  }),
  // One frame is lost on a link that lives on, or the link closes and opens with it in flight.
  (random, scenario) => ({
    ...route(2 + random.below(3), 1),
    sessions: longAnswers(random, scenario),
    ambushes: Array.from({ length: 1 + random.below(3) }, () =>
      strike(
        random.pick(['frame:rows', 'frame:token', 'frame:chunk-ack']),
        random.pick(['drop-it', 'link-flap']),
        { nth: random.below(20), after: random.chance(0.8), size: 0 },
      ),
    ),
  }),
  // Holders are left out of a route and come back to it.
  (random, scenario) => ({
    ...route(2 + random.below(2), 2),
    sessions: longAnswers(random, scenario),
    planner: 'wild',
    habit: 'in-and-out',
    disturbances: Array.from({ length: 4 }, () => ({
      atMs: random.unit() * 1500,
      kind: random.pick(['pause', 'leave', 'crash-back'] as const),
      size: random.unit() * 0.2,
    })),
    ambushes: [],
  }),
  // The owner hears little: the last stage runs ahead until it may not.
  (random, scenario) => ({
    ...route(1 + random.below(2), 1),
    sessions: longAnswers(random, scenario).map((each) => ({ ...each, maxTokens: 40 })),
    hopMs: 0.5,
    skew: 1,
    rowMs: 0.2,
    ambushes: [
      strike('token', random.pick(['socket-drop', 'sockets-drop']), {
        nth: random.below(10),
        size: random.unit() * 0.6,
      }),
    ],
  }),
  // More sessions than the pages of a node: the youngest gives way, and comes back.
  (random, scenario) => ({
    ...route(1 + random.below(2), random.below(2)),
    sessions: Array.from({ length: 3 }, () => longAnswers(random, scenario))
      .flat()
      .map((each) => ({
        ...each,
        promptIds: Array.from({ length: 6 + random.below(14) }, () => random.below(1000)),
      })),
    pagesMax: 16 + random.below(6),
    ambushes: [
      strike('token', random.pick(['link-flap', 'socket-drop']), { nth: random.below(20) }),
      // Its `room` is lost with the socket.
      strike('room', 'socket-drop'),
    ],
  }),
  // Engines fail more than once in an answer, with tokens between.
  (random, scenario) => ({
    ...route(1 + random.below(2), random.below(2)),
    sessions: longAnswers(random, scenario),
    ambushes: [1, 6, 11].map((nth) =>
      strike('frame:rows', random.pick(['shard-gone', 'run-fails']), {
        nth: nth + random.below(6),
        size: random.unit(),
      }),
    ),
  }),
  // A node says what it holds and is gone: its word is heard after its next hello.
  (random, scenario) => ({
    ...route(1 + random.below(3), random.below(2)),
    sessions: longAnswers(random, scenario),
    ambushes: [
      strike('token', 'socket-drop', { nth: random.below(8), size: random.unit() * 0.6 }),
      strike('resync', 'crash-back', { size: random.unit() * 0.3 }),
    ],
  }),
  // Orders wait at a busy main thread, frames come to the worker.
  (random, scenario) => ({
    ...route(2 + random.below(2), 1),
    sessions: longAnswers(random, scenario),
    ambushes: [
      strike('prepare', 'busy', {
        nth: random.below(4),
        after: false,
        size: 0.3 + random.unit() * 0.7,
      }),
    ],
  }),
  // A release is lost with its socket, and the node gets its place back.
  (random, scenario) => ({
    ...route(2 + random.below(2), 1),
    sessions: longAnswers(random, scenario),
    planner: 'wild',
    habit: 'in-and-out',
    salted: true,
    ambushes: [
      strike('token', 'leave', { nth: random.below(6), after: random.chance(0.5), size: 0 }),
      strike('release', 'socket-drop', { after: false, size: 0.2 + random.unit() * 0.4 }),
      strike(`failover:${random.pick(['preparing', 'filling', 'decoding'] as const)}`, 'leave', {
        nth: random.below(2),
        size: 0,
      }),
    ],
  }),
  // So slow that a stage waits longer for a frame than a session lives unheard (S10).
  (random, scenario) => ({
    ...route(3, 1),
    sessions: longAnswers(random, scenario)
      .slice(0, 1)
      .map((each) => ({ ...each, promptIds: each.promptIds.slice(0, 3), maxTokens: 5 })),
    chunkRows: 2,
    rowMs: 5600,
    evenNodes: true,
    frameTrouble: 0,
    ambushes: [strike('frame:rows', 'link-flap', { nth: random.below(8) })],
  }),
  // Kept rows are dropped, and then somebody behind needs them.
  (random, scenario) => ({
    ...route(2 + random.below(2), 2),
    sessions: longAnswers(random, scenario).map((each) => ({
      ...each,
      promptIds: Array.from({ length: 20 + random.below(20) }, () => random.below(1000)),
    })),
    keptBytesMax: KEPT_BLOCK_BYTES * (scenario.chunkRows + 4 + random.below(4)),
    ambushes: [
      strike('token', random.pick(['crash', 'leave', 'shard-gone']), { nth: random.below(10) }),
    ],
  }),
];

/** One play; the rest of the scenario stays as it was drawn. */
export function staged(random: Random, scenario: Scenario): Scenario {
  const play = random.pick(PLAYS);
  const staging = { ...scenario, disturbances: [], ...play(random, scenario) };
  return { ...staging, pagesMax: Math.max(staging.pagesMax, pagesOfLongest(staging.sessions) + 1) };
}
