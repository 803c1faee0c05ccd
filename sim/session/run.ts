import { disturb } from './disturb.ts';
import { SimFailure } from './failure.ts';
import { short } from './ground.ts';
import type { Reader } from './reader.ts';
import type { SessionDraw } from './scenario.ts';
import { World, type WorldOptions } from './world.ts';

/** No answer may take longer in virtual time: 30 s without progress end it (S13). */
const HANG_MS = 600_000;
/** The busiest of 600 seeds has some 4 000 things happen: more is a loop that goes nowhere. */
const EVENTS_MAX = 200_000;
/** After the last answer: stages expire after 15 s, the longest hang lasts 20 s. */
const SETTLE_MS = 45_000;
/** Who goes on from another answer looks so often whether it has ended. */
const ASK_AGAIN_MS = 20;
/** Where nothing was disturbed the last words have long arrived. */
const SETTLE_CALM_MS = 2_000;

export interface RunReport {
  readonly seed: number;
  readonly hash: string;
  readonly failure: SimFailure | null;
  readonly counts: ReadonlyMap<string, number>;
  readonly lines: readonly string[] | null;
}

/** One seed from beginning to end: everything that happens follows from it. */
export function runSession(seed: number, options: WorldOptions = {}): RunReport {
  const world = new World(seed, options);
  let failure: SimFailure | null = null;
  try {
    play(world);
    if (world.scenario.patienceMs !== null && !options.scenario) checkDelays(world, seed);
  } catch (error) {
    if (error instanceof SimFailure) failure = error;
    // By name: another copy of the core has a class of its own.
    else if (error instanceof Error && error.name === 'InvariantError')
      failure = new SimFailure('invariant', error.message);
    else throw error;
    const { message } = failure;
    world.log(() => `FAILED ${message}`);
  }
  return { seed, hash: world.trace.hash, failure, counts: world.counts, lines: world.trace.lines };
}

function play(world: World): void {
  const { timeline, scenario, office } = world;
  const readers = new Map<SessionDraw, Reader>();
  const ask = (draw: SessionDraw): void => {
    const before = draw.follows === null ? undefined : scenario.sessions[draw.follows];
    const last = before && readers.get(before);
    if (before && !last?.ended) {
      timeline.in(ASK_AGAIN_MS, () => {
        ask(draw);
      });
      return;
    }
    readers.set(draw, office.request(last?.continued(draw) ?? draw));
  };
  for (const draw of scenario.sessions)
    timeline.in(draw.atMs, () => {
      ask(draw);
    });
  for (const what of scenario.disturbances)
    timeline.in(what.atMs, () => {
      disturb(world, what);
    });
  const answered = (): boolean =>
    office.readers.length === scenario.sessions.length &&
    office.readers.every(({ ended }) => ended);
  timeline.run(HANG_MS, () => answered() || timeline.happened > EVENTS_MAX);
  if (!answered()) throw new SimFailure('hang', 'an answer neither came nor failed');
  const isCalm =
    scenario.frameTrouble === 0 && scenario.disturbances.length + scenario.ambushes.length === 0;
  timeline.run(timeline.now + (isCalm ? SETTLE_CALM_MS : SETTLE_MS));
  checkNothingLeft(world);
}

/** Against the same world undisturbed: an answer may be late by what its one trouble explains. */
function checkDelays(world: World, seed: number): void {
  const calm = { ...world.scenario, disturbances: [], ambushes: [] };
  const twin = new World(seed, { scenario: calm, core: world.core });
  play(twin);
  for (const [at, reader] of world.office.readers.entries()) {
    const calmMs = twin.office.readers[at]?.endedAt ?? Infinity;
    const limitMs = 2 * calmMs + reader.detourMs + (world.scenario.patienceMs ?? Infinity);
    if (reader.endedAt <= limitMs) continue;
    const times = `${reader.endedAt.toFixed(0)} ms, undisturbed ${calmMs.toFixed(0)} ms`;
    throw new SimFailure('slow', `${reader.name} ended after ${times}`);
  }
}

/** After `end` nodes hold nothing of a session: no KV, no kept rows, no frame (S10). */
function checkNothingLeft(world: World): void {
  for (const node of world.livingNodes()) {
    const { sessions, keptBytes } = world.core.viewStage(node.core);
    let kvs = 0;
    for (const engine of node.engines.values()) kvs += engine.kvs.size;
    const left = {
      sessions,
      keptBytes,
      kvs,
      held: node.core.held.length,
      runs: node.core.running ? 1 : 0,
    };
    if (Object.values(left).some((count) => count > 0)) {
      throw new SimFailure('leftover', `${short(node.id)} ${JSON.stringify(left)}`);
    }
  }
}
