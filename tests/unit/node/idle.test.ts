import { expect, test } from 'vitest';
import { instantMs } from '#lib/kernel/units.ts';
import { NODE_OFF, stepNode } from '#lib/shard/runtime/node-core.ts';
import { isIdle, type NodeInput, type NodeState } from '#lib/shard/runtime/node-state.ts';
import { measured, model, range, takeOver } from '#tests/support/node-machine.ts';

const assignment = { model, range, numerics: 'int16' } as const;

/** Feeds inputs in order, a second apart; what it fetches is task `next()`. */
function drive() {
  let state: NodeState = NODE_OFF;
  let now = 0;
  let fetched = -1;
  return {
    idle(input: NodeInput): boolean {
      const [next, outputs] = stepNode(state, input, instantMs(now));
      now += 1000;
      state = next;
      for (const output of outputs) if (output.type === 'fetch') fetched = output.task;
      return isIdle(state);
    },
    task: () => fetched,
  };
}
const join: NodeInput[] = [
  { type: 'start' },
  { type: 'contacted', model },
  { type: 'measured', measured },
  { type: 'welcome', resumed: false },
];
const loaded = { networkBytes: 7, cacheBytes: 0 };

test('[N12] a node measures its links while it is lent and has nothing to do', () => {
  const node = drive();
  expect(join.map((input) => node.idle(input))).toEqual([false, false, false, false]);
  expect(node.idle({ type: 'assign', assignment: { ...assignment, takeOver: null } })).toBe(false);
  const task = node.task();
  expect(node.idle({ type: 'fetched', task })).toBe(false);
  expect(node.idle({ type: 'loaded', task, ...loaded })).toBe(false);
  expect(node.idle({ type: 'trusted', range })).toBe(true);
  expect(node.idle({ type: 'sessions', count: 1 })).toBe(false);
  expect(node.idle({ type: 'sessions', count: 0 })).toBe(true);
  expect(node.idle({ type: 'pause' })).toBe(false);
  expect(node.idle({ type: 'resume' })).toBe(true);
  expect(node.idle({ type: 'stop' })).toBe(false);
});

test('[N12] a spare measures its links, and a node that fetches what it takes over does not', () => {
  const spare = drive();
  for (const input of join) spare.idle(input);
  expect(spare.idle({ type: 'assign', assignment: null })).toBe(true);
  const node = drive();
  for (const input of join) node.idle(input);
  node.idle({ type: 'assign', assignment: { ...assignment, takeOver } });
  const task = node.task();
  node.idle({ type: 'fetched', task });
  node.idle({ type: 'loaded', task, ...loaded });
  node.idle({ type: 'trusted', range });
  const ticks = Array.from({ length: 10 }, () => node.idle({ type: 'tick' }));
  expect(node.task()).toBeGreaterThan(task);
  expect(ticks.at(-1)).toBe(false);
  expect(node.idle({ type: 'fetched', task: node.task() })).toBe(true);
});
