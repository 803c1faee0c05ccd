import type { Random } from '#lib/kernel/random.ts';
import { draftsMaxOf, monotonous, PAGE_POSITIONS } from './fake-engine.ts';
import { KEPT_BLOCK_BYTES, type Disturbance, type Scenario, type SessionDraw } from './scenario.ts';

const idsOf = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => random.below(1000));

/**
 * Sessions with the same beginning (S3, S5): turns of one conversation over routes that change,
 * beside one with another salt and the same words, and a system prompt that may be public. Pages are
 * short in half of them, so that some places still have what others do not.
 */
export function conversations(random: Random, scenario: Scenario): Scenario {
  const system = idsOf(random, random.below(14));
  const isPublic = random.chance(0.5);
  const turns = 2 + random.below(3);
  const draw = (salt: string, follows: number | null): SessionDraw =>
    ending({
      atMs: 100 + random.unit() * 100,
      promptIds: follows === null ? system : idsOf(random, 1 + random.below(6)),
      maxTokens: 2 + random.below(10),
      eosIds: [],
      seed: random.below(2 ** 31),
      cancelAtMs: random.chance(0.1) ? random.unit() * 500 : null,
      // Some have them, as in all other seeds.
      stops: scenario.sessions[(follows ?? -1) + 1]?.stops ?? [],
      prefix: { salt, public: isPublic ? { ids: system.length, salt: 'public' } : null },
      follows,
    });
  const first = {
    ...draw('a', null),
    promptIds: [...system, ...idsOf(random, 1 + random.below(8))],
  };
  const sessions: SessionDraw[] = [first];
  for (let turn = 1; turn < turns; turn += 1) sessions.push(draw('a', turn - 1));
  // Somebody else says the same words, and asks again what was asked first.
  sessions.push({ ...first, prefix: draw('b', null).prefix, atMs: random.unit() * 400 });
  if (random.chance(0.5)) sessions.push({ ...first, atMs: random.unit() * 900 });
  // What was asked first with another beginning: later pages have the same ids, and other rows.
  const edited = [(first.promptIds[0] ?? 0) + 1, ...first.promptIds.slice(1)];
  if (random.chance(0.5)) sessions.push({ ...first, promptIds: edited, atMs: random.unit() * 900 });
  const rows = sessions.reduce((sum, each) => sum + each.promptIds.length + each.maxTokens, 0);
  const stages = 1 + random.below(3);
  return {
    ...scenario,
    layers: stages * 2,
    stages,
    nodes: stages + 1 + random.below(2),
    hopMs: Math.min(scenario.hopMs, 8),
    rowMs: Math.min(scenario.rowMs, 4),
    skew: Math.min(scenario.skew, 100),
    pagesMax: Math.ceil(rows / PAGE_POSITIONS) + (random.chance(0.5) ? random.below(6) : 1000),
    keptBytesMax:
      KEPT_BLOCK_BYTES * (random.chance(0.2) ? scenario.chunkRows + 3 + random.below(5) : 10_000),
    patienceMs: null,
    blameless: false,
    mayFail: false,
    habit: random.chance(0.3) ? 'in-and-out' : null,
    sessions,
    disturbances: [
      ...scenario.disturbances,
      ...Array.from({ length: random.below(3) }, () => disturbanceOf(random)),
    ],
    ambushes: Array.from({ length: random.below(3) }, () => ({
      on: random.pick(['prepare', 'report', 'fill', 'handover', 'token', 'end', 'frame:rows']),
      nth: random.below(12),
      after: random.chance(0.5),
      kind: random.pick(['socket-drop', 'link-flap', 'crash-back', 'shard-gone', 'leave']),
      size: random.unit() * 0.5,
    })),
  };
}

/** Who guesses ends now and then where it had guessed on: what it computed of that is nobody's. */
function ending(session: SessionDraw): SessionDraw {
  if (draftsMaxOf(session.seed) === 0) return session;
  const { seed, maxTokens } = session;
  return { ...session, seed: monotonous(seed), maxTokens: maxTokens + 12, eosIds: [1] };
}

const disturbanceOf = (random: Random): Disturbance => ({
  atMs: random.unit() * 1500,
  kind: random.pick(['crash-back', 'shard-gone', 'leave', 'pause', 'join']),
  size: random.unit() * 0.4,
});
