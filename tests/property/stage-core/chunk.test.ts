import fc from 'fast-check';
import { expect, it } from 'vitest';
import { longestMs, SoloWorld } from '#tests/unit/stage-core/solo-world.ts';

/** A shard's true prices: from a GPU's, where a run costs what its start does, to a slow processor's. */
const cost = fc.record({
  base: fc.double({ min: 0, max: 60, noNaN: true }),
  perRow: fc.double({ min: 0.05, max: 30, noNaN: true }),
  perAttended: fc.double({ min: 0, max: 0.003, noNaN: true }),
});

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('run' as const) }) },
  fc.record({
    type: fc.constant('open' as const),
    prompt: fc.integer({ min: 1, max: 1500 }),
    past: fc.integer({ min: 0, max: 3000 }),
  }),
  fc.record({ type: fc.constant('end' as const), pick: fc.nat() }),
);

it('[S12] with true predictions no token waits longer than the rule, and no prefill stands still', () => {
  fc.assert(
    fc.property(cost, fc.array(action, { maxLength: 120 }), (prices, actions) => {
      const world = new SoloWorld(prices);
      world.tellPrices(prices);
      const open: number[] = [];
      let next = 1;
      for (const step of actions) {
        if (step.type === 'open' && open.length < 12) {
          open.push(next);
          world.open(next, step.past + step.prompt, step.past);
          next += 1;
        } else if (step.type === 'end' && open.length > 0) {
          const [gone] = open.splice(step.pick % open.length, 1);
          world.end(gone!);
        }
        world.run();
        checkLast(world);
        checkStanding(world);
      }
    }),
    { numRuns: 300 },
  );
});

function checkLast(world: SoloWorld): void {
  const run = world.seen.at(-1);
  if (!run || run.decodeRows === 0 || run.ms <= longestMs(run.pureMs) + 1e-6) return;
  // Only where not even one row fits does one go, and then with every second run.
  expect([world.seen.at(-2)?.prefillRows, run.prefillRows]).toEqual([0, 1]);
}

/** Who has prefill to do gets rows within as many turns as there are prefills, twice at most. */
function checkStanding(world: SoloWorld): void {
  const { core } = world.rig;
  const seats = [...core.sessions.values()].flatMap(({ seats: own }) => own);
  const fills = seats.filter((seat) => seat.kvLength < seat.session.prepare.resumeAt);
  const most = 2 * 12 + 2;
  for (const { session } of fills) {
    const opened = world.opened.get(session.id) ?? 0;
    const last = world.seen.findLastIndex(({ sessions }) => sessions.includes(session.id)) + 1;
    expect(world.seen.length - Math.max(last, opened)).toBeLessThanOrEqual(most);
  }
}
