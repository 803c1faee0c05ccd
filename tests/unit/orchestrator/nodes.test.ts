import { describe, expect, it } from 'vitest';
import { MIB } from '#lib/kernel/units.ts';
import type { KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import {
  OrchestratorDriver,
  HASH,
  MODEL,
  answerOf,
  wrongAnswer,
} from '#tests/support/orchestrator-driver.ts';
import { nodeId, speedOf } from '#tests/support/placement.ts';

const stateOf = (driver: OrchestratorDriver, n: number) =>
  driver.view().nodes.find((node) => node.id === nodeId(n))?.state;

const fences = (driver: OrchestratorDriver) =>
  driver.outputs.flatMap((output) => (output.type === 'fence' ? [output] : []));

describe('known answers before work', () => {
  it('[M7] a node whose answer is right is trusted and serves', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    expect(stateOf(driver, 0)).toBe('ready');
    expect(driver.sent(0)).toContainEqual({ type: 'trusted', range: { first: 0, last: 29 } });
  });

  it('[M7] a node whose answer is wrong is fenced, named, and holds nothing', () => {
    const driver = new OrchestratorDriver();
    driver.join(0, { answersRightly: false });
    expect(fences(driver)[0]?.reason.code).toBe('engine/wrong-answer');
    expect(stateOf(driver, 0)).toBe('lost');
    expect(driver.view().uncovered[0]?.ranges).toHaveLength(1);
    expect(driver.log).toContainEqual({
      event: 'known-answer-failed',
      node: nodeId(0),
      layers: '0-29',
    });
  });

  it('[M7] a loaded node is not used before its answer is there', () => {
    const driver = new OrchestratorDriver();
    driver.recomputes = false;
    driver.join(0);
    driver.pass(1_000);
    expect(stateOf(driver, 0)).toBe('warming');
    expect(driver.view().routes).toEqual([]);
    driver.recomputes = true;
    driver.pass(3_000);
    expect(stateOf(driver, 0)).toBe('ready');
  });

  it('[M7] three holders of one range cost one recomputation', () => {
    const driver = new OrchestratorDriver();
    [0, 1, 2].forEach((n) => driver.join(n));
    expect(driver.outputs.filter((output) => output.type === 'expect')).toHaveLength(1);
    expect([0, 1, 2].map((n) => stateOf(driver, n))).toEqual(['ready', 'ready', 'ready']);
  });

  it('[M7] a GPU is judged by its values, against fp32 activations', () => {
    const near = ({ sample, largest }: KnownAnswer): KnownAnswer => {
      return { digest: 'e'.repeat(64), largest, sample: sample.map((value) => value + 5e-4) };
    };
    const answers = { sound: near, 'as wrong as a broken shader': () => wrongAnswer };
    const states = Object.values(answers).map((answer) => {
      const driver = new OrchestratorDriver();
      driver.join(0, { loads: false }, { engine: 'gpu-webgpu' });
      const range = { first: 0, last: 29 };
      const model = { id: MODEL, hash: HASH };
      driver.say(0, { type: 'loaded', model, range, networkBytes: 0, cacheBytes: 1 });
      const check = driver.sent(0).findLast((m) => m.type === 'known-answer');
      const id = check?.type === 'known-answer' ? check.id : 0;
      driver.say(0, { type: 'known-answer', id, answer: answer(answerOf(range, 7)) });
      const asked = driver.outputs.filter((output) => output.type === 'expect');
      expect(asked).toEqual([{ type: 'expect', question: { range, seed: 7, numerics: 'exact' } }]);
      return stateOf(driver, 0);
    });
    expect(states).toEqual(['ready', 'lost']);
  });

  it('[M7] a node that claims to be loaded and never answers is fenced', () => {
    const driver = new OrchestratorDriver();
    driver.join(0, { loads: false });
    const model = { id: MODEL, hash: HASH };
    const range = { first: 0, last: 29 };
    driver.say(0, { type: 'loaded', model, range, networkBytes: 0, cacheBytes: 1 });
    driver.pass(19_000);
    expect(stateOf(driver, 0)).toBe('warming');
    driver.pass(1_200);
    expect(stateOf(driver, 0)).toBe('lost');
  });

  it('[M7] a claim about a range that nobody gave it costs no recomputation', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    const recomputed = () => driver.outputs.filter((output) => output.type === 'expect').length;
    const before = recomputed();
    const model = { id: MODEL, hash: HASH };
    for (let last = 0; last < 29; last += 1) {
      const range = { first: 0, last };
      driver.say(0, { type: 'loaded', model, range, networkBytes: 0, cacheBytes: 0 });
    }
    driver.pass(5_000);
    expect(recomputed()).toBe(before);
  });

  it('[M7] a node at work is checked again, with another seed', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    driver.pass(600_500, 500);
    const seeds = driver.sent(0).flatMap((m) => (m.type === 'known-answer' ? [m.seed] : []));
    expect(seeds).toHaveLength(2);
    expect(seeds[0]).not.toBe(seeds[1]);
    expect(stateOf(driver, 0)).toBe('ready');
  });

  it('[S4] what was lost with a socket is asked again when it is back', () => {
    const driver = new OrchestratorDriver();
    driver.join(0, { loads: false });
    driver.hub(0, 'disconnected');
    driver.pass(300);
    driver.hub(0, 'back');
    const check = driver.sent(0).findLast((m) => m.type === 'known-answer');
    const range = { first: 0, last: 29 };
    expect(check).toMatchObject({ range });
    const id = check?.type === 'known-answer' ? check.id : 0;
    driver.say(0, { type: 'known-answer', id, answer: answerOf(range, 7) });
    expect(stateOf(driver, 0)).toBe('ready');
  });
});

describe('who is dead', () => {
  it('[V1] two seconds without a pong', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    driver.pass(1_000);
    driver.change(0, { pongs: false });
    driver.pass(1_900);
    expect(stateOf(driver, 0)).toBe('ready');
    driver.pass(200);
    expect(stateOf(driver, 0)).toBe('lost');
    expect(fences(driver)).toHaveLength(1);
  });

  it('[V1] a socket that closes and is not back within its grace', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    driver.hub(0, 'disconnected');
    driver.pass(400);
    expect(stateOf(driver, 0)).toBe('ready');
    driver.pass(100);
    expect(stateOf(driver, 0)).toBe('lost');
  });

  it('[S4] a socket that is back in time ends nothing', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    driver.hub(0, 'disconnected');
    driver.pass(300);
    driver.hub(0, 'back');
    driver.pass(2_000);
    expect(stateOf(driver, 0)).toBe('ready');
  });

  it('[V1] a stall of our own process declares nobody', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    driver.pass(1_000);
    driver.change(0, { pongs: false });
    driver.pass(60_000, 60_000);
    expect(stateOf(driver, 0)).toBe('ready');
    driver.pass(2_100);
    expect(stateOf(driver, 0)).toBe('lost');
  });

  it('[V3] a new hello ends the earlier incarnation and its messages', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    const old = driver.node(0).incarnation;
    driver.join(0);
    const event = { type: 'disconnected', node: nodeId(0), incarnation: old } as const;
    driver.feed({ type: 'hub', event });
    driver.pass(1_000);
    expect(stateOf(driver, 0)).toBe('ready');
    expect(driver.view().nodes).toHaveLength(1);
  });

  it('[V3] a lost node leaves the list within 30 s and is never taken back silently', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    driver.kill(0);
    driver.pass(600);
    expect(stateOf(driver, 0)).toBe('lost');
    driver.hub(0, 'back');
    driver.say(0, { type: 'resume' });
    expect(stateOf(driver, 0)).toBe('lost');
    driver.pass(29_000, 500);
    expect(driver.view().nodes).toEqual([]);
  });

  it('[M5] a node that says more than its rates allow is fenced, named, and does not resume', () => {
    const driver = new OrchestratorDriver();
    const node = driver.join(1);
    const { incarnation } = driver.node(1);
    driver.feed({ type: 'hub', event: { type: 'overrun', node, incarnation } });
    expect(driver.log).toContainEqual({ event: 'node-lost', node, cause: 'overrun' });
    expect(driver.outputs).toContainEqual({
      ...{ type: 'fence', node, incarnation },
      reason: { code: 'mesh/limit', message: 'more messages than a node has reason to send' },
    });
    driver.hub(1, 'back');
    driver.say(1, { type: 'resume' });
    expect(driver.view().nodes.map(({ state }) => state)).toEqual(['lost']);
  });

  it('[V2] pause, resume, finish and stop show at once', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    driver.say(0, { type: 'leave', how: 'pause' });
    expect(stateOf(driver, 0)).toBe('paused');
    expect(driver.view().routes).toEqual([]);
    driver.say(0, { type: 'resume' });
    expect(stateOf(driver, 0)).toBe('ready');
    driver.say(0, { type: 'leave', how: 'finish' });
    expect(stateOf(driver, 0)).toBe('leaving');
    expect(driver.view().routes).toEqual([]);
    driver.say(0, { type: 'leave', how: 'stop' });
    expect(driver.log.at(-1)).toMatchObject({ event: 'node-lost', cause: 'left' });
  });
});

describe('who holds what, as nodes come and go', () => {
  const ranges = (driver: OrchestratorDriver) =>
    driver.view().nodes.map((node) => [node.state, node.firstLayer, node.lastLayer]);

  it('[P2] three tabs, opened one after the other, each download a third', () => {
    const driver = new OrchestratorDriver({ minStages: 3 });
    for (const n of [0, 1, 2]) {
      driver.join(n);
      driver.pass(4_000);
    }
    expect(ranges(driver)).toEqual([
      ['ready', 0, 12],
      ['ready', 13, 25],
      ['ready', 26, 29],
    ]);
    for (const n of [0, 1, 2]) {
      const assigned = driver.sent(n).flatMap((m) => (m.type === 'assign' ? [m.assignment] : []));
      expect(new Set(assigned.map((assignment) => assignment?.range.first)).size).toBe(1);
    }
    expect(driver.view().routes[0]?.places.map((place) => place.node)).toHaveLength(3);
  });

  it('[P2] when nobody else comes, two nodes make do', () => {
    const driver = new OrchestratorDriver({ minStages: 3 });
    driver.join(0);
    driver.join(1);
    driver.pass(1_000);
    // The third range is loaded on demand by the node that is named for it.
    expect(driver.view().uncovered[0]?.ranges).toEqual([]);
    driver.pass(61_000, 500);
    expect(driver.view().routes[0]?.places).toHaveLength(2);
  });

  it('[P2] when nobody else comes, one node makes do', () => {
    const driver = new OrchestratorDriver({ minStages: 3 });
    driver.join(0);
    driver.pass(9_000);
    expect(driver.view().uncovered[0]?.ranges).toHaveLength(1);
    driver.pass(7_000);
    expect(driver.view().uncovered[0]?.ranges).toEqual([]);
    expect(driver.view().routes[0]?.places).toHaveLength(1);
  });

  it('[P3] a node that comes back gets the range it has, and nobody moves', () => {
    const driver = new OrchestratorDriver({ minStages: 3 });
    [0, 1, 2].forEach((n) => driver.join(n));
    const before = ranges(driver);
    driver.kill(1);
    driver.pass(20_000, 500);
    driver.join(1, {}, { cachedRanges: [{ first: 13, last: 25 }] });
    expect(ranges(driver).sort()).toEqual(before.sort());
  });

  it('[P3] a hole that its take-over covers moves nobody for a minute', () => {
    const driver = new OrchestratorDriver({ minStages: 3 });
    [0, 1, 2].forEach((n) => driver.join(n));
    const told = () => [0, 2].map((n) => driver.sent(n).filter((m) => m.type === 'assign').length);
    const before = told();
    driver.kill(1);
    driver.pass(30_000, 500);
    expect(told()).toEqual(before);
    expect(driver.view().uncovered[0]?.ranges).toEqual([]);
    driver.pass(40_000, 500);
    expect(driver.view().routes[0]?.places).toHaveLength(2);
  });

  it('[P1] tabs of one machine count as fast as the fastest of them measured', () => {
    const driver = new OrchestratorDriver({ minStages: 3 });
    driver.join(0);
    driver.join(1, {}, { layerMs: [0.6, 1.8, 10] });
    driver.join(2, {}, { layerMs: [...speedOf(0.3).layerMs] });
    expect(ranges(driver).map(([, first]) => first)).toEqual([0, 13, 26]);
  });

  it('[P1] a node that could not load for lack of memory gets less', () => {
    const driver = new OrchestratorDriver();
    driver.join(0, { loads: false }, { memoryLentBytes: 2048 * MIB });
    driver.join(1);
    driver.say(0, {
      type: 'load-failed',
      model: { id: MODEL, hash: HASH },
      range: { first: 0, last: 29 },
      code: 'engine/out-of-memory',
      message: 'out of memory',
    });
    expect(driver.state.nodes.get(nodeId(0))?.memoryBytes).toBeLessThan(2048 * MIB);
    expect(driver.view().nodes.find((node) => node.id === nodeId(0))?.state).toBe('spare');
  });

  describe('a node that slows down for long', () => {
    const plans = (driver: OrchestratorDriver) =>
      driver.log.flatMap((entry) => (entry.event === 'plan' ? [entry.why] : []));

    function slowSteps(driver: OrchestratorDriver): void {
      for (let second = 0; second < 30; second += 1) {
        driver.pass(1_000);
        driver.say(0, {
          type: 'load',
          sessions: 1,
          tokensServed: second,
          stepMsP50: 30,
          stepRows: 1,
          steps: second + 1,
          pagesFree: 0,
          linkRates: [],
        });
      }
    }

    const two = () => {
      const driver = new OrchestratorDriver({ minStages: 2 });
      driver.join(0);
      driver.join(1, {}, { device: 'another machine' });
      driver.pass(500);
      return driver;
    };

    it('[P3] loses layers, once, and the running session keeps its route', () => {
      const driver = two();
      const session = driver.start(1, { maxTokens: 2_000 });
      slowSteps(driver);
      expect(plans(driver)).toEqual(['nodes', 'speed']);
      const routes = driver.events.get(session)?.filter((event) => event.type === 'route');
      expect(routes).toHaveLength(1);
    });

    it('[P3] keeps them while nobody would gain', () => {
      const driver = two();
      slowSteps(driver);
      expect(plans(driver)).toEqual(['nodes']);
    });
  });
});
