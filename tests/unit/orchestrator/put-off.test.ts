import { describe, expect, it } from 'vitest';
import type { NodeProfile } from '#lib/shard/wire/node-messages.ts';
import { OrchestratorDriver, profileOf } from '#tests/support/orchestrator-driver.ts';
import { nodeId } from '#tests/support/placement.ts';

const IDS = Array.from({ length: 16 }, (_, index) => 500 + index);

/** An answer runs on one node alone, which calls what it is sent not finite, in two epochs. */
function refusing(nodes: number) {
  const driver = new OrchestratorDriver();
  // The third is slow: nobody's first choice.
  const slow: Partial<NodeProfile> = {
    device: 'old',
    layerMs: [9, 30, 200],
    headMs: [20, 60, 400],
  };
  for (let n = 0; n < nodes; n += 1) driver.join(n, {}, n === 2 ? profileOf(slow) : {});
  const session = driver.start(1);
  driver.pass(700);
  const routes = () =>
    (driver.events.get(session) ?? []).flatMap((event) =>
      event.type === 'route' ? [event.route] : [],
    );
  const holder = () => {
    const id = routes().at(-1)?.places[0]?.node;
    return [...Array(nodes).keys()].find((n) => nodeId(n) === id) ?? 0;
  };
  const liar = holder();
  driver.change(liar, { serves: false });
  for (const epoch of [1, 2]) {
    const fault = { type: 'fault', session, epoch, place: 0, why: 'not-finite' } as const;
    driver.say(liar, { type: 'session', message: fault });
  }
  return { driver, session, liar, holder };
}

describe('a node that refuses in every epoch', () => {
  it('[V3] is put off for this session, and stays in the cluster', () => {
    const { driver, session, liar, holder } = refusing(2);
    expect(holder()).not.toBe(liar);
    driver.pass(5_000);
    expect(driver.tokens(session)).toEqual(IDS);
    expect(driver.view().nodes.every(({ state }) => state !== 'lost')).toBe(true);
  });

  it('[V3] is not asked again when its successor is lost', () => {
    const { driver, session, liar, holder } = refusing(3);
    // It answers well by now, and faster than who is left.
    driver.change(liar, { serves: true });
    driver.kill(holder());
    driver.pass(1_000);
    expect(holder()).not.toBe(liar);
    driver.pass(5_000);
    expect(driver.tokens(session)).toEqual(IDS);
  });

  it('[V3] where nobody else is there, the answer ends at once with a code', () => {
    const { driver, session } = refusing(1);
    const last = driver.events.get(session)?.at(-1);
    expect(last?.type === 'lost' && last.fault.code).toBe('session/lost');
  });
});
