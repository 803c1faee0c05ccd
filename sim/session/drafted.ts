import type { Random } from '#lib/kernel/random.ts';
import { draftsMaxOf, pagesOfLongest } from './fake-engine.ts';
import type { Scenario, SessionDraw } from './scenario.ts';

/** The next seed whose session guesses what comes. */
export function guessing(seed: number): number {
  let next = seed;
  while (draftsMaxOf(next) === 0) next += 1;
  return next;
}

/** The next seed whose session guesses nothing. */
export function plain(seed: number): number {
  let next = seed;
  while (draftsMaxOf(next) > 0) next += 1;
  return next;
}

/**
 * Answers that guess as they go, over routes of one place to four: what is lost, closed, hung up or
 * gone while a step of drafts is on its way (S3).
 */
export function drafted(random: Random, scenario: Scenario): Scenario {
  const stages = 1 + random.below(4);
  const sessions = scenario.sessions.slice(0, 3).map((session): SessionDraw => ({
    ...session,
    seed: guessing(session.seed),
    maxTokens: 12 + random.below(24),
    eosIds: random.chance(0.8) ? [] : session.eosIds,
    cancelAtMs: null,
  }));
  return {
    ...scenario,
    layers: stages * 2,
    stages,
    nodes: stages + 1 + random.below(2),
    sessions,
    pagesMax: Math.max(scenario.pagesMax, pagesOfLongest(sessions)),
    frameTrouble: random.pick([0, 0.02, 0.06]),
    ambushes: Array.from({ length: 1 + random.below(3) }, () => ({
      on: random.pick(['frame:rows', 'frame:rows', 'frame:token', 'token', 'ack']),
      nth: 3 + random.below(25),
      after: random.chance(0.5),
      kind: random.pick([
        'crash',
        'crash-back',
        'leave',
        'link-flap',
        'drop-it',
        'cancel',
        'cancel',
        'cancel',
        'socket-drop',
        'shard-gone',
        'run-fails',
        'owner-dies',
      ]),
      size: random.unit() * 0.5,
    })),
  };
}
