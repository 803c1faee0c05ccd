import { describe, expect, it } from 'vitest';
import { refusalOf } from '#server/orchestrator/queue.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import type { Prepare, StageMessage } from '#lib/shard/wire/session-messages.ts';
import { OrchestratorDriver, MODEL, sessionId } from '#tests/support/orchestrator-driver.ts';
import { nodeId, speedOf } from '#tests/support/placement.ts';

const IDS = Array.from({ length: 16 }, (_, index) => 500 + index);

const three = (change = {}) => {
  const driver = new OrchestratorDriver({ minStages: 3, ...change });
  [0, 1, 2].forEach((n) => driver.join(n));
  driver.pass(500);
  return driver;
};

const request = {
  model: MODEL,
  promptIds: [1, 2],
  acceptedIds: [] as number[],
  maxTokens: 8,
  sampling: GREEDY,
  grammar: null,
  eosIds: [0],
};

describe('an answer', () => {
  it('[S1] tells the reader its route and every token once, in order', () => {
    const driver = three();
    const session = driver.start(1);
    driver.pass(3_000);
    expect(driver.tokens(session)).toEqual(IDS);
    const [first] = driver.events.get(session) ?? [];
    expect(first?.type).toBe('route');
    expect(driver.view().sessions).toBe(0);
  });

  it('[S10] a cancelled answer frees its nodes at once', () => {
    const driver = three();
    const session = driver.start(1, { maxTokens: 100 });
    driver.pass(1_000);
    driver.feed({ type: 'cancel', session });
    expect(driver.events.get(session)?.at(-1)).toEqual({ type: 'cancelled' });
    for (const n of [0, 1, 2]) {
      expect(driver.sent(n).at(-1)).toEqual({ type: 'session', message: { type: 'end', session } });
    }
    const count = driver.tokens(session).length;
    driver.pass(1_000);
    expect(driver.tokens(session)).toHaveLength(count);
  });

  it('[S10] a message about an unknown session is answered with its end', () => {
    const driver = three();
    const session = sessionId(77);
    driver.say(0, { type: 'session', message: { type: 'prepared', session, epoch: 1 } });
    expect(driver.sent(0).at(-1)).toEqual({ type: 'session', message: { type: 'end', session } });
    const sessions = [{ session, epoch: 3 }];
    driver.say(1, { type: 'session', message: { type: 'resync', sessions } });
    expect(driver.sent(1).at(-1)).toEqual({ type: 'session', message: { type: 'end', session } });
  });
});

describe('a failover', () => {
  it.each([0, 1, 2])('[V1] goes on with every token when stage %i is killed', (dies) => {
    const driver = three();
    const session = driver.start(1);
    driver.pass(700);
    driver.kill(dies);
    driver.pass(5_000);
    expect(driver.tokens(session)).toEqual(IDS);
    const routes = (driver.events.get(session) ?? []).flatMap((event) =>
      event.type === 'route' ? [event.route] : [],
    );
    expect(routes).toHaveLength(2);
    expect(routes[1]).toMatchObject({ epoch: 2, cause: 'disconnected' });
    expect(routes[1]?.atIndex).toBeGreaterThan(0);
    expect(routes[1]?.places.map((place) => place.node)).not.toContain(nodeId(dies));
    const entry = driver.log.find((line) => line.event === 'failover');
    expect(entry).toMatchObject({ session, epoch: 2, node: nodeId(dies), cause: 'disconnected' });
    expect(entry?.event === 'failover' && entry.totalMs).toBeLessThan(2_000);
  });

  it('[V1] its log line has the pause by phase: detect, plan, load, replay', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    driver.join(1);
    const session = driver.start(1);
    driver.pass(700);
    const serving = driver.view().nodes.findIndex((node) => node.sessions > 0);
    const standby = 1 - serving;
    // The one that takes over answers by hand: what each phase takes is in this test's power.
    driver.change(standby, { serves: false });
    driver.kill(serving);
    driver.pass(500);
    const { message } = driver.sent(standby).at(-1) as { message: Prepare };
    const place = { session, epoch: message.epoch, place: 0 };
    const say = (said: object) =>
      driver.say(standby, { type: 'session', message: { ...place, ...said } as StageMessage });
    say({ type: 'prepared', place: undefined });
    driver.pass(300);
    say({ type: 'report', kvLength: 0, keptFrom: 0 });
    driver.pass(400);
    say({ type: 'report', kvLength: message.resumeAt, keptFrom: 0 });
    driver.pass(100);
    const index = message.resumeAt + 1 - message.promptLength;
    say({ type: 'token', index, id: 500 + index, last: false });
    const entry = driver.log.find((line) => line.event === 'failover');
    expect(entry).toEqual({
      ...{ event: 'failover', session, epoch: 2, node: nodeId(serving), cause: 'disconnected' },
      ...{ detectMs: 500, planMs: 0, loadMs: 300, replayMs: 500, totalMs: 1_300 },
    });
  });

  it('[V1] a loss during a failover belongs to the same pause; its phases make up the whole', () => {
    const driver = new OrchestratorDriver();
    [0, 1, 2].forEach((n) => driver.join(n));
    const session = driver.start(1);
    driver.pass(700);
    const serving = driver.view().nodes.findIndex((node) => node.sessions > 0);
    const others = [0, 1, 2].filter((n) => n !== serving);
    others.forEach((n) => driver.change(n, { serves: false }));
    driver.kill(serving);
    driver.pass(800);
    const second = others.find((n) =>
      driver.sent(n).some((said) => said.type === 'session' && said.message.type === 'prepare'),
    )!;
    others.forEach((n) => driver.change(n, { serves: n !== second }));
    driver.kill(second);
    driver.pass(3_000);
    expect(driver.tokens(session)).toEqual(IDS);
    const lines = driver.log.filter((line) => line.event === 'failover');
    expect(lines).toHaveLength(1);
    const [{ node, detectMs, planMs, loadMs, replayMs, totalMs } = lines[0]!] = lines;
    expect(node).toBe(nodeId(second));
    expect(planMs).toBeGreaterThan(500);
    expect(detectMs + planMs + loadMs + replayMs).toBe(totalMs);
  });

  it('[V1] a stopped tab keeps its socket: silence declares it', () => {
    const driver = three();
    const session = driver.start(1);
    driver.pass(700);
    driver.change(1, { pongs: false, serves: false });
    driver.pass(5_000);
    expect(driver.tokens(session)).toEqual(IDS);
    expect(driver.log).toContainEqual({ event: 'node-lost', node: nodeId(1), cause: 'silent' });
  });

  it('[V2] a pause moves the answer at once and releases the paused node', () => {
    const driver = three();
    const session = driver.start(1);
    driver.pass(700);
    const before = driver.tokens(session).length;
    driver.say(1, { type: 'leave', how: 'pause' });
    expect(driver.sent(1).at(-1)).toMatchObject({ message: { type: 'release', session } });
    driver.pass(300);
    expect(driver.tokens(session).length).toBeGreaterThan(before);
    driver.pass(3_000);
    expect(driver.tokens(session)).toEqual(IDS);
  });

  it('[V2] a node that paused and resumed takes places again, in a session that lost it, too', () => {
    const driver = three();
    const session = driver.start(1);
    driver.pass(500);
    driver.say(0, { type: 'leave', how: 'pause' });
    driver.pass(100);
    driver.say(0, { type: 'resume' });
    driver.kill(1);
    driver.kill(2);
    driver.pass(8_000);
    expect(driver.tokens(session)).toEqual(IDS);
  });

  it('[V2] a node that finishes keeps its answer and gets no other', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    driver.join(1);
    const session = driver.start(1);
    driver.pass(300);
    const [route] = driver.view().routes.filter((places) => places.places[0]);
    expect(route).toBeDefined();
    const serving = driver.view().nodes.find((node) => node.sessions > 0)?.id;
    const n = serving === nodeId(0) ? 0 : 1;
    driver.say(n, { type: 'leave', how: 'finish' });
    const other = driver.start(2);
    driver.pass(3_000);
    expect(driver.tokens(session)).toEqual(IDS);
    expect(driver.tokens(other)).toEqual(IDS);
    const places = driver.events.get(other)?.find((event) => event.type === 'route');
    expect(places?.type === 'route' && places.route.places[0]?.node).toBe(nodeId(1 - n));
  });

  it('[S6] two nodes die at once: the last one does everything', () => {
    const driver = three();
    const session = driver.start(1);
    driver.pass(700);
    driver.kill(0);
    driver.kill(2);
    driver.pass(8_000);
    expect(driver.tokens(session)).toEqual(IDS);
  });

  it('[S6] a spare takes the place without a change for the others', () => {
    const driver = three();
    driver.join(3);
    driver.pass(1_000);
    const spare = driver.view().nodes.find((node) => node.id === nodeId(3));
    expect(spare?.state).toBe('ready');
    const session = driver.start(1);
    driver.pass(500);
    const route = driver.view().routes.at(-1);
    const victim = route?.places.find((place) => place.firstLayer === spare?.firstLayer)?.node;
    driver.kill(victim === nodeId(3) ? 3 : [0, 1, 2].findIndex((n) => nodeId(n) === victim));
    driver.pass(4_000);
    expect(driver.tokens(session)).toEqual(IDS);
    const routes = driver.events.get(session)?.filter((event) => event.type === 'route') ?? [];
    const last = routes.at(-1);
    const nodes = last?.type === 'route' ? last.route.places.map((place) => place.node) : [];
    expect(new Set(nodes).size).toBe(3);
  });

  it('[S11] a node short of pages is replaced by another holder, and not by itself', () => {
    const driver = three();
    // Slower, so that the one short of pages would be the better choice.
    driver.join(3, {}, { device: 'an old phone', layerMs: [...speedOf(2).layerMs] });
    driver.pass(1_000);
    const copied = driver.view().nodes.find((node) => node.id === nodeId(3))?.firstLayer;
    const session = driver.start(1);
    driver.pass(500);
    const placesNow = () => {
      const event = driver.events.get(session)?.findLast((one) => one.type === 'route');
      return event?.type === 'route' ? event.route.places : [];
    };
    const place = placesNow().findIndex((one) => one.firstLayer === copied);
    const full = placesNow()[place]?.node;
    const n = [0, 1, 2, 3].find((one) => nodeId(one) === full) ?? 0;
    const fault = { type: 'fault', session, epoch: 1, place, why: 'no-room' } as const;
    driver.say(n, { type: 'session', message: fault });
    expect(placesNow()[place]?.node).not.toBe(full);
    expect(driver.view().nodes.find((node) => node.id === full)?.state).toBe('ready');
    driver.pass(3_000);
    expect(driver.tokens(session)).toEqual(IDS);
  });

  it('[V3] an owner that waits in vain for `prepared` has the node fenced', () => {
    const driver = three();
    driver.change(1, { serves: false });
    const session = driver.start(1);
    driver.pass(8_000);
    expect(driver.tokens(session)).toEqual(IDS);
    expect(driver.log).toContainEqual({
      event: 'node-lost',
      node: nodeId(1),
      cause: 'no-prepared',
    });
  });

  it('[S13] nobody left for 30 s is a coded loss, and a newcomer in time saves it', () => {
    const driver = three();
    const lost = driver.start(1);
    driver.pass(700);
    [0, 1, 2].forEach((n) => driver.kill(n));
    driver.pass(20_000);
    const saved = three();
    const session = saved.start(1);
    saved.pass(700);
    [0, 1, 2].forEach((n) => saved.kill(n));
    saved.pass(20_000);
    saved.join(9);
    saved.pass(15_000);
    expect(saved.tokens(session)).toEqual(IDS);
    driver.pass(12_000);
    const last = driver.events.get(lost)?.at(-1);
    expect(last?.type === 'lost' && last.fault.code).toBe('session/no-cover');
  });

  it('[S2] a new session during the hole runs on what is there', () => {
    const driver = three();
    driver.kill(2);
    driver.pass(1_000);
    const session = driver.start(5);
    driver.pass(4_000);
    expect(driver.tokens(session)).toEqual(IDS);
  });
});

describe('requests that wait', () => {
  it('[S11] a full node queues; positions fall; nobody is passed over', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    const sessions = Array.from({ length: 19 }, (_, n) => driver.start(n + 1, { maxTokens: 30 }));
    expect(driver.view()).toMatchObject({ sessions: 16, queued: 3 });
    const last = sessions.at(-1) ?? sessionId(0);
    expect(driver.events.get(last)).toEqual([{ type: 'queued', position: 2 }]);
    driver.feed({ type: 'cancel', session: sessions[16] ?? last });
    expect(driver.events.get(last)?.at(-1)).toEqual({ type: 'queued', position: 1 });
    driver.pass(8_000);
    expect(driver.tokens(last)).toHaveLength(30);
    expect(driver.view()).toMatchObject({ sessions: 0, queued: 0 });
  });

  it('[S11] long prompts are admitted by the KV they need', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    const promptIds = Array.from({ length: 5_000 }, () => 1);
    // So many short ones would find room; with keys and values in fp32, 4 of these would.
    for (let n = 1; n <= 9; n += 1) driver.start(n, { promptIds });
    const { sessions, queued } = driver.view();
    expect(sessions).toBeGreaterThan(4);
    expect(queued).toBeGreaterThanOrEqual(1);
    driver.pass(20_000);
    expect(driver.view()).toMatchObject({ sessions: 0, queued: 0 });
  });

  it('[P2] a request waits while the node loads, and begins when it is ready', () => {
    const driver = new OrchestratorDriver();
    driver.recomputes = false;
    driver.join(0);
    const session = driver.start(1);
    expect(driver.events.get(session)).toEqual([{ type: 'queued', position: 0 }]);
    driver.recomputes = true;
    driver.pass(5_000);
    expect(driver.tokens(session)).toEqual(IDS);
  });

  it('[P2] a request that nobody can take within its time is lost with a code', () => {
    const driver = new OrchestratorDriver();
    driver.recomputes = false;
    driver.join(0);
    const session = driver.start(1);
    driver.pass(61_000, 500);
    const last = driver.events.get(session)?.at(-1);
    expect(last?.type === 'lost' && last.fault.code).toBe('session/queue-full');
  });
});

describe('requests that are refused', () => {
  const refused = (driver: OrchestratorDriver, change: Partial<typeof request>) =>
    refusalOf(driver.state, { ...request, ...change })?.code;

  it('[P1] without cover, naming the layers', () => {
    const driver = new OrchestratorDriver();
    expect(refused(driver, {})).toBe('session/no-cover');
    expect(refusalOf(driver.state, request)?.message).toContain('0–29');
    driver.join(0);
    expect(refused(driver, {})).toBeUndefined();
  });

  it('[S9] another model, too long a prompt, an answer that is complete', () => {
    const driver = new OrchestratorDriver();
    driver.join(0);
    expect(refused(driver, { model: 'gpt-2' as typeof MODEL })).toBe('request/model-not-found');
    const promptIds = Array.from({ length: 8_192 }, () => 1);
    expect(refused(driver, { promptIds })).toBe('session/context-length');
    expect(refused(driver, { promptIds: [] })).toBe('request/invalid');
    expect(refused(driver, { acceptedIds: [5, 0] })).toBe('request/invalid');
  });

  it('[S11] more than the queue holds', () => {
    const driver = new OrchestratorDriver();
    driver.recomputes = false;
    driver.join(0);
    for (let n = 0; n < 64; n += 1) driver.start(n + 1);
    expect(refused(driver, {})).toBe('session/queue-full');
  });
});
