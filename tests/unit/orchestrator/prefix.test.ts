import { describe, expect, it } from 'vitest';
import type { Prepare } from '#lib/shard/wire/session-messages.ts';
import { OrchestratorDriver, sessionId } from '#tests/support/orchestrator-driver.ts';
import { nodeId } from '#tests/support/placement.ts';

const SCOPE = { salt: 'hers', public: null };
const PROMPT = Array.from({ length: 100 }, (_, i) => i);

/** So many nodes that each hold the whole model. */
function copies(count: number): OrchestratorDriver {
  const driver = new OrchestratorDriver();
  for (let n = 0; n < count; n += 1) driver.join(n);
  driver.pass(12_000);
  return driver;
}

const prepareOf = (driver: OrchestratorDriver, n: number): Prepare => {
  const found = driver.outputs.flatMap((output) => {
    const message = output.type === 'send' && output.message.type === 'session' && output.message;
    if (!message || message.message.type !== 'prepare') return [];
    return message.message.session === sessionId(n) ? [message.message] : [];
  });
  return found.at(-1)!;
};

/** One turn from its beginning to its end; the route's node and what the places were told. */
function turn(driver: OrchestratorDriver, n: number, change: object = {}) {
  const session = driver.start(n, { promptIds: PROMPT, maxTokens: 40, prefix: SCOPE, ...change });
  driver.pass(6_000);
  const { prefix, route } = prepareOf(driver, n);
  return { prefix, node: route[0]?.node, ids: driver.tokens(session) };
}

describe('[S3] [S5] who may have pages of a prompt', () => {
  it('nobody, of a prompt that was never computed; then who has computed it', () => {
    const driver = copies(1);
    const first = turn(driver, 1);
    expect(first.prefix).toMatchObject({ mayHit: false, pagePositions: 32 });
    expect(first.prefix?.digests).toHaveLength(3);
    const promptIds = [...PROMPT, ...first.ids, 7, 8];
    const second = turn(driver, 2, { promptIds });
    expect(second.prefix?.mayHit).toBe(true);
    expect(second.prefix?.digests.slice(0, 3)).toEqual(first.prefix?.digests);
    // From the first difference on the names are others: two of three pages are the same.
    const edited = turn(driver, 3, { promptIds: promptIds.with(70, 9999) });
    expect(edited.prefix?.mayHit).toBe(true);
    expect(
      edited.prefix?.digests.slice(0, 3).filter((each) => first.prefix?.digests.includes(each)),
    ).toHaveLength(2);
  });

  it('who has another salt, or none, shares nothing', () => {
    const driver = copies(1);
    turn(driver, 1);
    const other = turn(driver, 2, { prefix: { salt: 'his', public: null } });
    expect(other.prefix?.mayHit).toBe(false);
    const session = driver.start(3, { promptIds: PROMPT });
    driver.pass(3_000);
    expect(driver.tokens(session)).not.toEqual([]);
    expect(prepareOf(driver, 3).prefix).toBeUndefined();
  });

  it('what is public is everybody’s, as far as it goes', () => {
    const driver = copies(1);
    const open = { ids: 64, salt: 'public' };
    const first = turn(driver, 1, { prefix: { salt: 'hers', public: open } });
    const second = turn(driver, 2, { prefix: { salt: 'his', public: open } });
    expect(second.prefix?.mayHit).toBe(true);
    expect(second.prefix?.digests.slice(0, 2)).toEqual(first.prefix?.digests.slice(0, 2));
    expect(second.prefix?.digests[2]).not.toBe(first.prefix?.digests[2]);
  });

  it('[M7] after a wrong answer of a node nobody is asked for what was computed before', () => {
    const driver = copies(2);
    const first = turn(driver, 1);
    const other = [0, 1].find((n) => nodeId(n) !== first.node) ?? 0;
    driver.change(other, { answersRightly: false });
    driver.pass(700_000, 500);
    expect(driver.node(other).alive).toBe(false);
    const second = turn(driver, 2);
    expect(second.prefix?.mayHit).toBe(false);
    expect(second.prefix?.digests).not.toEqual(first.prefix?.digests);
  });
});

describe('[S3] one prompt, asked for by several at once', () => {
  const ask = (driver: OrchestratorDriver, n: number, change: object = {}) =>
    driver.start(n, { promptIds: PROMPT, maxTokens: 40, prefix: SCOPE, ...change });
  const begun = (driver: OrchestratorDriver) =>
    [1, 2, 3, 4].filter((n) => driver.state.sessions.has(sessionId(n)));
  const cluster = (script: object = {}): OrchestratorDriver => {
    const driver = new OrchestratorDriver();
    driver.join(0, script);
    driver.pass(12_000);
    return driver;
  };

  it('the others begin at the first token, and look for its pages', () => {
    const driver = cluster({ tokenMs: 1_000 });
    for (const n of [1, 2, 3]) ask(driver, n);
    expect(begun(driver)).toEqual([1]);
    driver.pass(100);
    expect(driver.tokens(sessionId(1))).toHaveLength(1);
    expect(begun(driver)).toEqual([1, 2, 3]);
    for (const n of [2, 3]) expect(prepareOf(driver, n).prefix?.mayHit).toBe(true);
    // Nobody was short of room.
    expect(driver.events.get(sessionId(2))?.some(({ type }) => type === 'queued')).toBe(false);
  });

  it('who asks for something else, with another salt or with none, is not held up', () => {
    const driver = cluster({ fills: false });
    ask(driver, 1);
    ask(driver, 2);
    ask(driver, 3, { promptIds: [7, ...PROMPT] });
    ask(driver, 4, { prefix: { salt: 'his', public: null } });
    expect(begun(driver)).toEqual([1, 3, 4]);
    const session = driver.start(5, { promptIds: PROMPT });
    expect(driver.state.sessions.has(session)).toBe(true);
  });

  it('a longer prompt waits for the shorter one that it goes on from, and not the other way round', () => {
    const driver = cluster({ fills: false });
    ask(driver, 1);
    ask(driver, 2, { promptIds: [...PROMPT, 7, 8, 9] });
    ask(driver, 3, { promptIds: PROMPT.slice(0, 40) });
    expect(begun(driver)).toEqual([1, 3]);
  });

  it('where the one that reads it is cancelled, or loses its route, they begin', () => {
    const cancelled = cluster({ fills: false });
    for (const n of [1, 2, 3]) ask(cancelled, n);
    cancelled.feed({ type: 'cancel', session: sessionId(1) });
    // The next of them reads it.
    expect(begun(cancelled)).toEqual([2]);
    const lost = copies(2);
    lost.change(0, { fills: false });
    lost.change(1, { fills: false });
    for (const n of [1, 2]) ask(lost, n);
    const holder = prepareOf(lost, 1).route[0]?.node;
    lost.kill(holder === nodeId(0) ? 0 : 1);
    lost.pass(3_000);
    expect(begun(lost)).toEqual([1, 2]);
  });

  it('of a conversation that goes on, too', () => {
    const driver = cluster();
    const first = turn(driver, 5);
    driver.change(0, { fills: false });
    const promptIds = [...PROMPT, ...first.ids, ...PROMPT];
    for (const n of [1, 2, 3]) ask(driver, n, { promptIds });
    expect(begun(driver)).toEqual([1]);
    // What was read before is waited for by nobody.
    ask(driver, 4, { promptIds: [...PROMPT, 1, 2] });
    expect(begun(driver)).toEqual([1, 4]);
  });

  it('that wait is none for room: it may be longer than that', () => {
    const driver = cluster({ fills: false });
    for (const n of [1, 2]) ask(driver, n);
    const since = driver.state.queue[0]?.since ?? 0;
    driver.pass(1_000);
    expect(driver.state.queue[0]?.since).toBe(since + 1_000);
  });
});

describe('[P1] a conversation returns to the route that holds its pages', () => {
  it('though another is as good, and not where its nodes are gone', () => {
    const driver = copies(3);
    // Others take the first choice of the planner meanwhile; each returns to its own.
    const nodes = [1, 2, 3].map((n) => {
      const prefix = { salt: `conversation ${n}`, public: null };
      const busy = driver.start(10 + n, { maxTokens: 10_000 });
      const { node } = turn(driver, n, { prefix });
      driver.feed({ type: 'cancel', session: busy });
      return { n, node, prefix };
    });
    for (const { n, node, prefix } of nodes) {
      const again = turn(driver, 20 + n, { prefix });
      expect(again).toMatchObject({ node, prefix: { mayHit: true } });
    }
    const [lost] = nodes;
    const index = [0, 1, 2].find((n) => nodeId(n) === lost?.node) ?? 0;
    driver.kill(index);
    driver.pass(2_000);
    const moved = turn(driver, 30, { prefix: lost?.prefix });
    expect(moved.node).not.toBe(lost?.node);
    expect(moved.prefix?.mayHit).toBe(false);
  });
});
