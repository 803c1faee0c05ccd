import { describe, expect, it } from 'vitest';
import type { FaultWire } from '#lib/kernel/errors.ts';
import { instantMs } from '#lib/kernel/units.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import { nodeDeadline, NODE_OFF, stepNode } from '#lib/shard/runtime/node-core.ts';
import type { NodeInput, NodeOutput, NodeState } from '#lib/shard/runtime/node-state.ts';
import { NODE } from '#lib/shard/runtime/limits.ts';
import { RoomWatch } from '#lib/shard/runtime/room-watch.ts';
import { viewNode } from '#lib/shard/runtime/node-view.ts';
import { measured, model, range, takeOver } from '#tests/support/node-machine.ts';

const assignment = { model, range, takeOver, numerics: 'int16' } as const;
const fault = (code: FaultWire['code']): FaultWire => ({ code, message: code });

/** Feeds inputs in order; answers the last state and all outputs since `mark()`. */
function drive() {
  let state: NodeState = NODE_OFF;
  let outputs: NodeOutput[] = [];
  let now = 0;
  const node = {
    feed(...inputs: NodeInput[]) {
      for (const input of inputs) {
        const [next, more] = stepNode(state, input, instantMs(now));
        state = next;
        outputs.push(...more);
      }
      return node;
    },
    at(ms: number) {
      now = ms;
      return node;
    },
    taken(): NodeOutput[] {
      const taken = outputs;
      outputs = [];
      return taken;
    },
    word: () => viewNode(state).word,
    reason: () => viewNode(state).reason,
    state: () => state,
  };
  return node;
}

const join: NodeInput[] = [
  { type: 'start' },
  { type: 'contacted', model },
  { type: 'measured', measured },
  { type: 'welcome', resumed: false },
];
const task = (outputs: readonly NodeOutput[]): number => {
  const order = outputs.findLast((output) => output.type === 'fetch');
  expect(order).toBeDefined();
  return (order as Extract<NodeOutput, { type: 'fetch' }>).task;
};
function ready() {
  const node = drive().feed(...join, { type: 'assign', assignment });
  const id = task(node.taken());
  node.feed(
    { type: 'fetched', task: id },
    { type: 'loaded', task: id, networkBytes: 7, cacheBytes: 0 },
    { type: 'trusted', range },
  );
  return node;
}

describe('a node on its way in', () => {
  it('[N1] does nothing before start', () => {
    expect(drive().feed({ type: 'tick' }, { type: 'resume' }, { type: 'pause' }).taken()).toEqual(
      [],
    );
  });

  it('[N2] measures before hello, and names each phase', () => {
    const node = drive();
    const words = join.map((input) => node.feed(input).word());
    expect(words).toEqual(['joining', 'measuring', 'joining', 'joining']);
    expect(node.taken().map((output) => output.type)).toEqual(['contact', 'measure', 'hello']);
  });

  it('[N3] loads, is checked, and is ready only when trusted', () => {
    const node = drive().feed(...join, { type: 'assign', assignment });
    expect(node.word()).toBe('loading');
    const id = task(node.taken());
    expect(node.feed({ type: 'fetched', task: id }).word()).toBe('warming');
    node.feed({ type: 'loaded', task: id, networkBytes: 7, cacheBytes: 0 });
    expect([node.word(), node.reason()]).toEqual(['warming', 'idle.audit']);
    const answer = { digest: 'd', largest: 1, sample: [] };
    const ask = { type: 'known-answer', id: 4, range, seed: 1, rows: 8 } as const;
    node.feed({ type: 'known-answer', ask }, { type: 'known-answer-done', id: 4, answer });
    node.feed({ type: 'trusted', range: takeOver });
    expect(node.word()).toBe('warming');
    node.feed({ type: 'trusted', range });
    expect(node.word()).toBe('ready');
    expect(node.taken().filter((output) => output.type === 'send')).toEqual([
      {
        type: 'send',
        message: { type: 'loaded', model, range, networkBytes: 7, cacheBytes: 0 },
      },
      { type: 'send', message: { type: 'known-answer', id: 4, answer } },
    ]);
  });

  it('[N4] is a spare with nothing to hold', () => {
    const node = drive().feed(...join, { type: 'assign', assignment: null });
    expect([node.word(), node.reason()]).toEqual(['spare', 'idle.covered']);
  });

  it('[N5] a new assignment fences the answers to the old one', () => {
    const node = drive().feed(...join, { type: 'assign', assignment });
    const old = task(node.taken());
    node.feed({ type: 'assign', assignment: { ...assignment, range: { first: 5, last: 9 } } });
    const outputs = node.taken();
    expect(outputs[0]).toEqual({ type: 'abort-fetch', purpose: 'shard' });
    node.feed(
      { type: 'fetched', task: old },
      { type: 'task-failed', task: old, fault: fault('kernel/aborted') },
    );
    expect(node.taken()).toEqual([]);
    node.feed({ type: 'fetched', task: task(outputs) });
    expect(node.taken()).toMatchObject([{ type: 'load' }]);
  });

  it('[N6] a failed load is told and tried again', () => {
    const node = drive().feed(...join, { type: 'assign', assignment });
    node.feed({
      type: 'task-failed',
      task: task(node.taken()),
      fault: fault('package/fetch-failed'),
    });
    expect(node.taken()).toMatchObject([{ message: { type: 'load-failed' } }]);
    expect(viewNode(node.state()).fault?.code).toBe('package/fetch-failed');
    node.at(nodeDeadline(node.state()) - 1).feed({ type: 'tick' });
    expect(node.taken()).toEqual([]);
    node.at(nodeDeadline(node.state())).feed({ type: 'tick' });
    expect(node.taken()).toMatchObject([{ type: 'fetch', range }]);
  });
});

describe('a node whose browser is full', () => {
  it('[N6] says what to free as long as it holds less than it could, until its next hello', () => {
    const node = drive().feed(...join, { type: 'assign', assignment });
    const full = fault('package/storage-full');
    node.feed({ type: 'task-failed', task: task(node.taken()), fault: full });
    expect(viewNode(node.state())).toMatchObject({ reason: 'device.storage', fault: full });
    node.feed({ type: 'assign', assignment: null });
    expect([node.word(), node.reason()]).toEqual(['spare', 'device.storage']);

    const fewer = { ...assignment, range: { first: 0, last: 4 }, takeOver: null };
    node.feed({ type: 'assign', assignment: fewer });
    const id = task(node.taken());
    node.feed(
      { type: 'fetched', task: id },
      { type: 'loaded', task: id, networkBytes: 0, cacheBytes: 7 },
      { type: 'trusted', range: fewer.range },
    );
    expect(viewNode(node.state())).toEqual({
      word: 'ready',
      reason: 'device.storage',
      fault: null,
    });
    node.feed({ type: 'stop' }, { type: 'left' }, ...join, { type: 'assign', assignment: null });
    expect(node.reason()).toBe('idle.covered');
  });

  it('[N6] says so too when only the chunks to take over find no room', () => {
    const node = ready();
    const id = task(node.taken());
    node.feed({ type: 'task-failed', task: id, fault: fault('package/storage-full') });
    expect(node.taken()).toEqual([{ type: 'watch-room', range: takeOver }]);
    expect([node.word(), node.reason()]).toEqual(['ready', 'device.storage']);
  });

  it('[N6] comes back by a new hello once there is room, and not in the middle of an answer', () => {
    const node = drive().feed(...join, { type: 'assign', assignment });
    const full = fault('package/storage-full');
    node.feed({ type: 'task-failed', task: task(node.taken()), fault: full });
    expect(node.taken().at(-1)).toEqual({ type: 'watch-room', range });
    const fewer = { ...assignment, range: { first: 0, last: 4 }, takeOver: null };
    node.feed({ type: 'assign', assignment: fewer });
    const id = task(node.taken());
    expect(node.feed({ type: 'room-found' }).taken()).toEqual([]);
    node.feed(
      { type: 'fetched', task: id },
      { type: 'loaded', task: id, networkBytes: 0, cacheBytes: 7 },
      { type: 'trusted', range: fewer.range },
      { type: 'sessions', count: 1 },
    );
    node.taken();
    expect(node.feed({ type: 'room-found' }).taken()).toEqual([]);
    node.feed({ type: 'sessions', count: 0 });
    node.taken();
    expect(node.feed({ type: 'room-found' }).taken()).toEqual([
      { type: 'send', message: { type: 'leave', how: 'stop' } },
      { type: 'disconnect' },
      { type: 'drop-worker' },
      { type: 'contact' },
    ]);
    expect(node.word()).toBe('joining');
    node.feed(...join.slice(1), { type: 'assign', assignment });
    expect([node.word(), node.reason()]).toEqual(['loading', null]);
  });

  it('[N6] which never was full has no use for room', () => {
    expect(ready().feed({ type: 'room-found' }).word()).toBe('ready');
  });
});

describe('a watch for room', () => {
  function watching() {
    const seen = { hasRoom: false, asked: 0, found: 0 };
    const hasRoom = (wanted: LayerRange) => {
      expect(wanted).toBe(range);
      seen.asked += 1;
      return Promise.resolve(seen.hasRoom);
    };
    const watch = new RoomWatch({ hasRoom, onRoom: () => void (seen.found += 1) });
    return { seen, watch };
  }

  it('[N6] asks every few seconds while something is missing, until it would fit', async () => {
    const { seen, watch } = watching();
    await watch.tick(1e9);
    expect(seen.asked).toBe(0);
    watch.begin(range, 0);
    await watch.tick(NODE.roomCheckMs - 1);
    expect(seen.asked).toBe(0);
    await watch.tick(NODE.roomCheckMs);
    await watch.tick(NODE.roomCheckMs + 500);
    expect([seen.asked, seen.found]).toEqual([1, 0]);
    seen.hasRoom = true;
    await watch.tick(2 * NODE.roomCheckMs);
    expect([seen.asked, seen.found]).toEqual([2, 1]);
    watch.end();
    await watch.tick(1e9);
    expect([seen.asked, seen.found]).toEqual([2, 1]);
  });

  it('[N6] asks later each time where the store refuses what it said would fit', async () => {
    const { seen, watch } = watching();
    seen.hasRoom = true;
    let now = 0;
    const waits: number[] = [];
    while (waits.length < 10) {
      watch.begin(range, now);
      const begunAt = now;
      for (const found = seen.found; seen.found === found; now += 500) await watch.tick(now);
      waits.push(now - 500 - begunAt);
    }
    expect(waits.slice(0, 3)).toEqual([1, 2, 4].map((times) => times * NODE.roomCheckMs));
    expect(waits.at(-1)).toBe(NODE.roomCheckMsMax);
  });
});

describe('a node at work', () => {
  it('[N7] fetches what it takes over only while idle, and goes on after a session', () => {
    const node = ready();
    const first = node.taken();
    expect(first.at(-1)).toMatchObject({ type: 'fetch', purpose: 'take-over', range: takeOver });
    node.feed({ type: 'sessions', count: 1 });
    expect(node.word()).toBe('serving');
    expect(node.taken()).toEqual([{ type: 'abort-fetch', purpose: 'take-over' }]);
    node.feed({ type: 'task-failed', task: task(first), fault: fault('kernel/aborted') });
    node.feed({ type: 'tick' });
    expect(node.taken()).toEqual([]);
    node.feed({ type: 'sessions', count: 0 });
    const again = node.taken();
    expect(again.map((output) => output.type)).toEqual(['unload-idle', 'fetch']);
    node.feed({ type: 'fetched', task: task(again) });
    expect(node.taken()).toEqual([{ type: 'send', message: { type: 'cached', range: takeOver } }]);
  });

  it('[N5] a session’s end frees what it alone used, while others go on', () => {
    const node = ready().feed({ type: 'sessions', count: 4 });
    node.taken();
    node.feed({ type: 'sessions', count: 3 });
    expect(node.taken()).toEqual([{ type: 'unload-idle', keep: range }]);
    node.feed({ type: 'sessions', count: 4 });
    expect(node.taken()).toEqual([]);
  });

  it('[N10] pause is told before anything else, stops fetches, and resume goes on', () => {
    const node = ready();
    node.taken();
    node.feed({ type: 'pause' }, { type: 'pause' });
    expect(node.word()).toBe('paused');
    expect(node.taken()).toEqual([
      { type: 'send', message: { type: 'leave', how: 'pause' } },
      { type: 'worker', command: 'pause' },
      { type: 'abort-fetch', purpose: 'take-over' },
    ]);
    node.feed({
      type: 'known-answer',
      ask: { type: 'known-answer', id: 1, range, seed: 1, rows: 1 },
    });
    expect(node.taken()).toEqual([]);
    node.feed({ type: 'resume' });
    expect(node.word()).toBe('ready');
    expect(node.taken().map((output) => output.type)).toEqual(['worker', 'send', 'fetch']);
  });

  it('[V2] pause in mid-download stops it; resume begins it again', () => {
    const node = drive().feed(...join, { type: 'assign', assignment });
    node.taken();
    node.feed({ type: 'pause' });
    expect(node.taken().at(-1)).toEqual({ type: 'abort-fetch', purpose: 'shard' });
    node.feed({ type: 'assign', assignment });
    expect(node.taken()).toEqual([]);
    node.feed({ type: 'resume' });
    expect(node.taken().at(-1)).toMatchObject({ type: 'fetch', purpose: 'shard' });
  });

  it('[N10] finish ends with the last session, stop at once', () => {
    const node = ready().feed({ type: 'sessions', count: 2 }, { type: 'finish' });
    expect([node.word(), node.reason()]).toEqual(['serving', 'idle.finishing']);
    node.taken();
    node.feed({ type: 'sessions', count: 1 });
    expect(node.word()).toBe('serving');
    node.feed({ type: 'sessions', count: 0 });
    expect(node.word()).toBe('leaving');
    expect(node.taken().slice(-3)).toEqual([
      { type: 'send', message: { type: 'leave', how: 'stop' } },
      { type: 'worker', command: 'pause' },
      { type: 'disconnect' },
    ]);
    expect(node.feed({ type: 'left' }).word()).toBe('off');
    expect(node.taken()).toEqual([{ type: 'drop-worker' }]);
  });

  it('[V2] leaving does not wait for the network for ever', () => {
    const node = ready().feed({ type: 'stop' });
    expect(node.at(nodeDeadline(node.state())).feed({ type: 'tick' }).word()).toBe('off');
  });
});

describe('a node that is lost', () => {
  it('[N9] fenced: comes back by a new hello, with no worker of before, later each time', () => {
    const node = ready();
    node.taken();
    node.feed({ type: 'goodbye', fault: fault('mesh/closed') });
    expect(node.word()).toBe('lost');
    expect(node.taken()).toEqual([{ type: 'disconnect' }, { type: 'drop-worker' }]);
    const waits: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      const at = nodeDeadline(node.state());
      node.at(at).feed({ type: 'tick' });
      expect(node.taken()).toEqual([{ type: 'contact' }]);
      node.feed({ type: 'join-failed', fault: fault('mesh/closed') });
      node.taken();
      waits.push(nodeDeadline(node.state()) - at);
    }
    expect(waits).toEqual([2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  });

  it('[M2] an out-of-date page does not try again by itself', () => {
    const node = drive().feed({ type: 'start' }, { type: 'goodbye', fault: fault('wire/version') });
    expect([node.word(), node.reason()]).toEqual(['lost', 'refuse.version']);
    expect(nodeDeadline(node.state())).toBe(Infinity);
    expect(node.feed({ type: 'start' }).word()).toBe('joining');
  });

  it('[N9] a dead worker ends the incarnation', () => {
    const node = ready();
    node.taken();
    node.feed({ type: 'worker-lost', fault: fault('engine/lost') });
    expect(node.taken()).toEqual([{ type: 'disconnect' }, { type: 'drop-worker' }]);
  });

  it('[S4] a resumed socket names its sessions; a new incarnation knows no assignment', () => {
    const node = ready();
    node.taken();
    node.feed({ type: 'disconnected' }, { type: 'welcome', resumed: true });
    expect(node.taken()).toEqual([{ type: 'worker', command: 'socket-back' }]);
    expect(node.word()).toBe('ready');
    node.feed({ type: 'disconnected' }, { type: 'welcome', resumed: false });
    expect(node.word()).toBe('joining');
    node.taken();
    node.feed({ type: 'assign', assignment });
    expect(node.taken()).toMatchObject([{ type: 'fetch', purpose: 'shard', range }]);
  });
});
