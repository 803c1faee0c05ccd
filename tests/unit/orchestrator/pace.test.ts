import { describe, expect, it } from 'vitest';
import { seededRandom } from '#lib/kernel/random.ts';
import type { SessionId } from '#lib/kernel/ids.ts';
import { PACE } from '#lib/shard/placement/limits.ts';
import { OrchestratorDriver } from '#tests/support/orchestrator-driver.ts';
import { nodeId, speedOf } from '#tests/support/placement.ts';

/** Half of the deadline of a route that is predicted at a tenth of it. */
const HALF_MS = 1_000;
const machine = (n: number, layerMs = 2) => ({
  device: `machine ${n}`,
  layerMs: [...speedOf(layerMs).layerMs] as [number, number, number],
  headMs: [...speedOf(layerMs).headMs] as [number, number, number],
});

/** Who the last route of an answer went over. */
function routeOf(driver: OrchestratorDriver, session: SessionId): number[] {
  const route = (driver.events.get(session) ?? []).findLast((event) => event.type === 'route');
  const ids = route?.type === 'route' ? route.route.places.map((place) => place.node) : [];
  return ids.map((id) => [...driver.nodes.keys()].indexOf(id));
}
const slowOnes = (driver: OrchestratorDriver) =>
  [...driver.state.nodes.values()].filter((node) => node.pace.factor > 1).map(({ id }) => id);

let sessions = 0;
/** An answer from start to end. */
function answer(driver: OrchestratorDriver, maxTokens = 16, passMs = 20_000): number[] {
  sessions += 1;
  const session = driver.start(sessions, { maxTokens });
  driver.pass(passMs);
  expect(driver.tokens(session)).toHaveLength(maxTokens);
  return routeOf(driver, session);
}

describe('a node whose every token takes half the deadline', () => {
  /** The first says that it is the faster one. */
  const two = () => {
    const driver = new OrchestratorDriver();
    driver.join(0, { tokenMs: HALF_MS }, machine(0, 4));
    driver.join(1, { tokenMs: 200 }, machine(1, 5));
    driver.pass(1_000);
    return driver;
  };

  it('[P3] loses its place to the next answers, not to the running one', () => {
    const driver = two();
    expect(answer(driver)).toEqual([0]);
    expect(slowOnes(driver)).toEqual([nodeId(0)]);
    expect(answer(driver)).toEqual([1]);
    expect(driver.log).toContainEqual(
      expect.objectContaining({ event: 'node-slow', node: nodeId(0) }),
    );
  });

  it('[P3] keeps it where nobody else is there, and is held to what it needs', () => {
    const driver = new OrchestratorDriver();
    driver.join(0, { tokenMs: HALF_MS }, machine(0));
    driver.pass(1_000);
    expect(answer(driver)).toEqual([0]);
    const session = driver.start((sessions += 1));
    const { plan } = driver.state.sessions.get(session) ?? {};
    expect(plan?.roundMs).toBeCloseTo(HALF_MS, -2);
  });

  it(`[P3] ${PACE.roundsMin - 1} rounds are too few to tell`, () => {
    const driver = two();
    answer(driver, PACE.roundsMin, 12_000);
    expect(slowOnes(driver)).toEqual([]);
    answer(driver, PACE.roundsMin + 1, 12_000);
    expect(slowOnes(driver)).toEqual([nodeId(0)]);
  });

  it('[P3] is tried again after five minutes, and cleared by one good answer', () => {
    const driver = two();
    answer(driver);
    driver.pass(PACE.forgetMs + 5_000, 500);
    driver.change(0, { tokenMs: 100 });
    expect(answer(driver)).toEqual([0]);
    expect(slowOnes(driver)).toEqual([]);
  });

  it('[P3] who waits for another prompt’s prefill is not slow', () => {
    const driver = new OrchestratorDriver();
    driver.join(0, {}, machine(0));
    driver.pass(1_000);
    const running = driver.start((sessions += 1), { maxTokens: 40 });
    driver.pass(200);
    // It prepares and never reports: the other answer's chunks are computed all the while.
    driver.change(0, { fills: false, tokenMs: 400 });
    driver.start((sessions += 1));
    driver.pass(5_000);
    expect(driver.tokens(running).length).toBeGreaterThan(PACE.roundsMin + 1);
    expect(slowOnes(driver)).toEqual([]);
  });
});

/** Whole clusters by chance, one dawdler in each. */
describe('wherever the dawdler sits', () => {
  const SEEDS = 30;
  it(`[P3] ${SEEDS} seeds: with a spare for every place it is out of the way after a few answers`, () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const random = seededRandom(seed);
      const stages = 1 + random.below(3);
      const count = 2 * stages;
      const driver = new OrchestratorDriver({ minStages: stages });
      for (let n = 0; n < count; n += 1) driver.join(n, {}, machine(n, 3 + random.below(3)));
      driver.pass(1_000);
      const dawdler = random.pick(answer(driver));
      driver.change(dawdler, { tokenMs: HALF_MS });
      const routes = Array.from({ length: 8 }, () => answer(driver));
      const last = routes.at(-1);
      expect(last, `seed ${seed}: ${JSON.stringify({ dawdler, routes })}`).not.toContain(dawdler);
      expect(new Set(last).size).toBe(stages);
    }
  });
});
