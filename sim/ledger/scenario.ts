import type { Random } from '#lib/kernel/random.ts';
import { faultyOf } from '#lib/ledger/pbft/quorum.ts';

/** What a faulty replica does; one that is not named is correct, whatever happens to it. */
export const ROLES = ['twin', 'fuzz', 'slow', 'censor', 'clock', 'partial', 'spam'] as const;
export type Role = (typeof ROLES)[number];

/** How a faulty primary's clock goes. */
export const CLOCKS = ['frozen', 'racing', 'backwards', 'ahead'] as const;
export type ClockFault = (typeof CLOCKS)[number];

/** What goes wrong, drawn before anything happens; when, the run draws as it goes. */
export interface Scenario {
  readonly n: number;
  readonly timeoutMs: number;
  readonly batchMax: number;
  /** Of the faulty ones, in a row from `firstFaulty` on, so that they are primaries. */
  readonly roles: readonly Role[];
  readonly firstFaulty: number;
  readonly clock: ClockFault;
  /** How many correct replicas may lose their log: faulty ones and they are f together. */
  readonly amnesias: number;
  readonly loss: number;
  readonly duplicates: number;
  readonly slowestMs: number;
  readonly diskMs: number;
  readonly skewMs: number;
  readonly stormMs: number;
  /** Between two requests in the mean. */
  readonly pauseMs: number;
  /** Chance that a record's way to the disk ends in a crash. */
  readonly crashes: number;
  /** Chances for each pause between two requests. */
  readonly cuts: number;
  readonly powerCuts: number;
  readonly changes: number;
  /** `scene.ts` is played in the place of cuts and crashes. */
  readonly hasScene: boolean;
  /** After the storm: one way over the healed network. */
  readonly healedMs: number;
}

const CALM: Omit<Scenario, 'n'> = {
  timeoutMs: 1_000,
  batchMax: 4,
  roles: [],
  firstFaulty: 0,
  clock: 'frozen',
  amnesias: 0,
  loss: 0,
  duplicates: 0,
  slowestMs: 10,
  diskMs: 3,
  skewMs: 100,
  stormMs: 0,
  pauseMs: 15,
  crashes: 0,
  cuts: 0,
  powerCuts: 0,
  changes: 0,
  hasScene: false,
  healedMs: 5,
};

/** Nothing goes wrong: what every mutant that counts passes. */
export const calmScenario = (): Scenario => ({ ...CALM, n: 4 });

/** Of the seeds with 4 or 5 replicas so many play the scene. */
const SCENES = 0.08;

/** What else goes wrong while a scene is played: little. */
const quietOf = ({ loss, slowestMs, timeoutMs }: Scenario): Partial<Scenario> => ({
  ...{ crashes: 0, cuts: 0, powerCuts: 0, changes: 0, amnesias: 0 },
  loss: Math.min(loss, 0.05),
  slowestMs: Math.min(slowestMs, 20),
  stormMs: 5 * timeoutMs,
});

/** By seed, so that each has its share; small ones more often: there a run says as much for fewer messages. */
const SIZES = [4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 6, 6, 7, 7, 8, 9, 10] as const;

export function drawScenario(random: Random, seed: number): Scenario {
  const n = SIZES[seed % SIZES.length] ?? 4;
  const f = faultyOf(n);
  const faulty = random.chance(0.75) ? 1 + random.below(f) : 0;
  const first = random.pick(ROLES);
  const roles = Array.from({ length: faulty }, (_, i) => (i === 0 ? first : random.pick(ROLES)));
  // Slower than T: views must last longer, and that takes many.
  const isSlowNet = n === 4 && random.chance(0.15);
  const timeoutMs = random.pick([300, 500, 1_000]);
  const batchMax = random.pick([1, 2, 4]);
  const hasScene = n < 6 && random.chance(SCENES);
  const drawn = hasScene ? [] : roles.map((role) => (random.chance(0.3) ? 'twin' : role));
  const scenario: Scenario = {
    ...{ n, timeoutMs, batchMax },
    roles: drawn,
    // Who alters what it says is the primary of view 1, whose NEW-VIEW is the first.
    firstFaulty: drawn[0] === 'fuzz' ? 1 : 0,
    clock: random.pick(CLOCKS),
    amnesias: random.chance(0.65) ? f - faulty : 0,
    loss: random.pick([0, 0.02, 0.05, 0.3]),
    duplicates: random.pick([0, 0.05, 0.2]),
    slowestMs: random.pick([5, 20, 60, 150]),
    diskMs: random.pick([1, 5, 15]),
    skewMs: random.pick([0, 300, 900]),
    stormMs: timeoutMs * random.pick(n > 6 ? [1.5, 2] : [2, 3, 4]),
    pauseMs: timeoutMs * random.pick([0.1, 0.16, 0.25]),
    crashes: random.pick([0, 0.003, 0.01]),
    cuts: random.pick([0.15, 0.25]),
    powerCuts: random.pick([0, 0, 0.03]),
    changes: random.pick([0, 0.04, 0.1]),
    hasScene,
    healedMs: isSlowNet ? 0.6 * timeoutMs : 2 + random.below(8),
  };
  return hasScene ? { ...scenario, ...quietOf(scenario) } : scenario;
}
