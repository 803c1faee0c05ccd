import { describe, expect, test } from 'vitest';
import { seededRandom } from '#lib/kernel/random.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { beginRound, endRound, howMany, newPace } from '#lib/shard/stage/core/draft-pace.ts';

interface World {
  /** A round of one row, and what each draft adds. */
  readonly plainMs: number;
  readonly draftMs: number;
  readonly guessedMs: number;
  /** The cost is known from answers before. */
  readonly seen?: boolean;
  /** How likely a draft stands, and the context that it comes with. */
  readonly share: number;
  readonly context: number;
  readonly rounds: number;
  readonly sessions?: number;
  /** How much rounds differ by chance. */
  readonly noise?: number;
}

/** Tokens/s against those of one token a round, and how many drafts were tried. */
function play(world: World, seed = 1) {
  const { plainMs, draftMs, guessedMs, share, context, rounds, sessions = 1, noise = 0 } = world;
  const guess = world.seen
    ? ({ kind: 'seen', ofRound: draftMs / plainMs, trust: 1, ms: guessedMs } as const)
    : ({ kind: 'thought', ms: guessedMs } as const);
  const random = seededRandom(seed);
  const pace = newPace(guess);
  let now = 0;
  let tokens = 0;
  let tried = 0;
  for (let round = 0; round < rounds; round += 1) {
    const drafts = howMany(pace, { context, most: 8, sessions });
    beginRound(pace, { at: instantMs(now), drafts, context, sessions });
    let stood = 0;
    while (stood < drafts && random.chance(share)) stood += 1;
    now += (plainMs + drafts * draftMs) * (1 + noise * (random.unit() - 0.5));
    tokens += 1 + stood;
    tried += drafts;
    endRound(pace, instantMs(now), { tried: drafts, stood });
  }
  return { gain: (tokens / now) * plainMs, tried };
}

const LOCAL = { plainMs: 12, draftMs: 6, guessedMs: 6 };
const FAR = { plainMs: 42, draftMs: 6, guessedMs: 6 };

describe('[S8] how many drafts', () => {
  test('none before a round was measured', () => {
    expect(howMany(newPace({ kind: 'thought', ms: 0 }), { context: 9, most: 8, sessions: 1 })).toBe(
      0,
    );
  });

  test('many over slow links where they stand, from the second round on', () => {
    const far = play({ ...FAR, share: 0.95, context: 9, rounds: 20 });
    expect(far.gain).toBeGreaterThan(2);
    expect(play({ ...FAR, share: 0.95, context: 9, rounds: 2 }).tried).toBeGreaterThan(0);
  });

  test('fewer where rows cost almost what a round does', () => {
    const local = play({ ...LOCAL, share: 0.9, context: 9, rounds: 60 });
    expect(local.gain).toBeGreaterThan(1.1);
    expect(local.tried / 60).toBeLessThan(8);
  });

  test('what was seen in a bad moment is doubted from answer to answer, down to what is thought', () => {
    const tried = (trust: number, ms: number): number => {
      const pace = newPace({ kind: 'seen', ofRound: 1.5, trust, ms });
      let now = 0;
      let drafts = 0;
      for (let round = 0; round < 40; round += 1) {
        drafts += howMany(pace, { context: 9, most: 8, sessions: 1 });
        beginRound(pace, { at: instantMs(now), drafts: 0, context: 9, sessions: 1 });
        now += 42;
        endRound(pace, instantMs(now), { tried: 0, stood: 0 });
      }
      return drafts;
    };
    expect(tried(1, 6)).toBe(0);
    expect(tried(0.9 ** 12, 6)).toBeGreaterThan(0);
    expect(tried(0, 60)).toBe(0);
  });

  test('none where all sessions wait for the rows of one', () => {
    const eight = { ...LOCAL, plainMs: 60, sessions: 8 };
    expect(play({ ...eight, share: 0.5, context: 3, rounds: 200 }).tried).toBeLessThan(20);
  });

  test.each([
    ['short, alone', { ...LOCAL, share: 0, context: 9, rounds: 40 }],
    ['long, alone', { ...LOCAL, share: 0, context: 9, rounds: 1_000 }],
    ['over slow links', { ...FAR, share: 0, context: 9, rounds: 40 }],
    ['where drafts cost far more than thought', { ...FAR, draftMs: 60, share: 0.3, context: 9 }],
    ['where drafts seem to cost nothing', { ...FAR, guessedMs: 0, draftMs: 30, share: 0.1 }],
    ['with noise', { ...LOCAL, share: 0.2, context: 3, rounds: 400, noise: 0.6 }],
  ])('never 3 % slower than without: %s', (_, world) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { gain } = play({ context: 9, rounds: 200, ...world }, seed);
      expect(gain).toBeGreaterThan('noise' in world ? 0.95 : 0.97);
    }
  });

  test.each([0.3, 0.6, 0.9, 1.2])(
    'nearly nothing is lost where a draft is known to cost %f of a round and falls',
    (ofRound) => {
      const world = { plainMs: 12, draftMs: 12 * ofRound, guessedMs: 0, seen: true };
      for (const rounds of [48, 200]) {
        const { gain } = play({ ...world, share: 0, context: 9, rounds });
        expect(gain).toBeGreaterThan(0.98);
      }
    },
  );

  test('what did not pay is tried again, seldom, and found out when it does', () => {
    const pace = newPace({ kind: 'thought', ms: 6 });
    let now = 0;
    const round = (share: number): number => {
      const drafts = howMany(pace, { context: 9, most: 8, sessions: 1 });
      beginRound(pace, { at: instantMs(now), drafts, context: 9, sessions: 1 });
      now += 42 + 6 * drafts;
      endRound(pace, instantMs(now), { tried: drafts, stood: Math.round(share * drafts) });
      return drafts;
    };
    let vain = 0;
    for (let i = 0; i < 300; i += 1) vain += round(0);
    expect(vain).toBeGreaterThan(3);
    expect(vain).toBeLessThan(60);
    let late = 0;
    for (let i = 0; i < 600; i += 1) late = round(1);
    expect(late).toBeGreaterThan(2);
  });
});
