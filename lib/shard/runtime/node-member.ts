import { unreachable } from '#lib/kernel/assert.ts';
import type { FaultWire } from '#lib/kernel/errors.ts';
import { later, type InstantMs } from '#lib/kernel/units.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { Assignment } from '#lib/shard/wire/node-messages.ts';
import { NODE } from './limits.ts';
import {
  sameRange,
  type KnownAnswerAsk,
  type Member,
  type NodeInput,
  type NodeOutput,
} from './node-state.ts';

type MemberStep = readonly [Member, readonly NodeOutput[]];

/** What a node does while the server counts it: shard in, known answers, take-over, pause. */
export function stepMember(state: Member, input: NodeInput, now: InstantMs): MemberStep {
  switch (input.type) {
    case 'welcome':
      return onWelcomeBack(state, input.resumed);
    case 'disconnected':
      return [{ ...state, connected: false }, []];
    case 'assign':
      return onAssign(state, input.assignment, now);
    case 'known-answer':
      return onKnownAnswer(state, input.ask);
    case 'known-answer-done': {
      const { id, answer } = input;
      return [state, [{ type: 'send', message: { type: 'known-answer', id, answer } }]];
    }
    case 'trusted':
      if (!sameRange(input.range, state.assignment?.range ?? null)) return [state, []];
      if (state.shard.kind !== 'checking') return [state, []];
      return onIdle({ ...state, shard: { kind: 'ready' } }, now);
    case 'fetched':
      return onFetched(state, input.task);
    case 'loaded':
      return onLoaded(state, input);
    case 'task-failed':
      return onTaskFailed(state, input, now);
    case 'sessions':
      return onSessions(state, input.count, now);
    case 'pause':
      return onPause(state, now);
    case 'resume':
      return onResume(state, now);
    case 'finish':
      if (state.use !== 'lent') return [{ ...state, use: 'finishing' }, []];
      return [
        { ...state, use: 'finishing' },
        [{ type: 'send', message: { type: 'leave', how: 'finish' } }],
      ];
    case 'tick':
      return state.shard.kind === 'failed' ? beginShard(state) : onIdle(state, now);
    case 'start':
    case 'stop':
    case 'left':
    case 'goodbye':
    case 'join-failed':
    case 'worker-lost':
    case 'contacted':
    case 'measured':
    case 'room-found':
      return [state, []];
    default:
      return unreachable(input);
  }
}

/** S4: sessions are named to the owner, who ends what it does not know. */
function onWelcomeBack(state: Member, resumed: boolean): MemberStep {
  const outputs: NodeOutput[] = [{ type: 'worker', command: 'socket-back' }];
  if (resumed) return [{ ...state, connected: true }, outputs];
  if (state.shard.kind === 'fetching') outputs.push({ type: 'abort-fetch', purpose: 'shard' });
  if (state.takeOver.kind === 'fetching') {
    outputs.push({ type: 'abort-fetch', purpose: 'take-over' });
  }
  if (state.use !== 'lent') {
    const how = state.use === 'paused' ? 'pause' : 'finish';
    outputs.push({ type: 'send', message: { type: 'leave', how } });
  }
  const none = { kind: 'none' } as const;
  const fresh = { awaiting: true, assignment: null, shard: none, takeOver: none };
  return [{ ...state, ...fresh, connected: true }, outputs];
}

function onAssign(state: Member, assignment: Assignment | null, now: InstantMs): MemberStep {
  const same =
    assignment !== null &&
    sameRange(assignment.range, state.assignment?.range ?? null) &&
    assignment.numerics === state.assignment?.numerics;
  const takeOver = takeOverOf(state, assignment, now);
  const next: Member = { ...state, awaiting: false, assignment, takeOver };
  const aborts: NodeOutput[] = [];
  if (state.takeOver.kind === 'fetching' && takeOver.kind !== 'fetching') {
    aborts.push({ type: 'abort-fetch', purpose: 'take-over' });
  }
  if (same && state.shard.kind !== 'none') {
    const [idle, outputs] = onIdle(next, now);
    return [idle, [...aborts, ...outputs]];
  }
  if (state.shard.kind === 'fetching') aborts.push({ type: 'abort-fetch', purpose: 'shard' });
  if (!assignment) {
    const spare: Member = { ...next, shard: { kind: 'none' } };
    return [spare, [...aborts, { type: 'unload-idle', keep: null }]];
  }
  if (state.use === 'paused') return [{ ...next, shard: { kind: 'none' } }, aborts];
  const [begun, outputs] = beginShard(next);
  return [begun, [...aborts, ...outputs]];
}

function takeOverOf(state: Member, assignment: Assignment | null, now: InstantMs) {
  const wanted = assignment?.takeOver ?? null;
  if (!wanted) return { kind: 'none' } as const;
  const unchanged = sameRange(wanted, state.assignment?.takeOver ?? null);
  return unchanged && state.takeOver.kind !== 'none'
    ? state.takeOver
    : ({ kind: 'wanted', from: now } as const);
}

function beginShard(state: Member): MemberStep {
  if (!state.assignment) return [state, []];
  const task = state.nextTask;
  return [
    { ...state, nextTask: task + 1, shard: { kind: 'fetching', task } },
    [{ type: 'fetch', task, purpose: 'shard', range: state.assignment.range }],
  ];
}

function onFetched(state: Member, task: number): MemberStep {
  const { assignment, shard, takeOver } = state;
  if (shard.kind === 'fetching' && shard.task === task && assignment) {
    return [{ ...state, shard: { kind: 'warming', task } }, [{ type: 'load', task, assignment }]];
  }
  if (takeOver.kind === 'fetching' && takeOver.task === task && assignment?.takeOver) {
    return [
      { ...state, takeOver: { kind: 'cached' } },
      [{ type: 'send', message: { type: 'cached', range: assignment.takeOver } }],
    ];
  }
  return [state, []];
}

function onLoaded(state: Member, done: Extract<NodeInput, { type: 'loaded' }>): MemberStep {
  const { assignment, shard } = state;
  if (shard.kind !== 'warming' || shard.task !== done.task || !assignment) return [state, []];
  const { networkBytes, cacheBytes } = done;
  const { model, range } = assignment;
  const message = { type: 'loaded', model, range, networkBytes, cacheBytes } as const;
  return [
    { ...state, shard: { kind: 'checking' } },
    [
      { type: 'send', message },
      { type: 'unload-idle', keep: range },
    ],
  ];
}

function onTaskFailed(
  before: Member,
  { task, fault }: { readonly task: number; readonly fault: FaultWire },
  now: InstantMs,
): MemberStep {
  const { assignment, shard, takeOver } = before;
  const retryAt = later(now, NODE.reloadMs);
  const storageFull = before.storageFull || fault.code === 'package/storage-full';
  const state: Member = { ...before, storageFull };
  const watch = (range: LayerRange | null): NodeOutput[] =>
    range && fault.code === 'package/storage-full' ? [{ type: 'watch-room', range }] : [];
  if (takeOver.kind === 'fetching' && takeOver.task === task) {
    const wanted = { kind: 'wanted', from: retryAt } as const;
    return [{ ...state, takeOver: wanted }, watch(assignment?.takeOver ?? null)];
  }
  if ((shard.kind !== 'fetching' && shard.kind !== 'warming') || shard.task !== task) {
    return [before, []];
  }
  if (!assignment) return [state, []];
  const { model, range } = assignment;
  const message = fault.message.slice(0, 500);
  const failed = { type: 'load-failed', model, range, code: fault.code, message } as const;
  return [
    { ...state, shard: { kind: 'failed', fault, retryAt } },
    [{ type: 'send', message: failed }, ...watch(range)],
  ];
}

/** A range that is not in memory cannot be checked; the server's own deadline answers for it. */
function onKnownAnswer(state: Member, ask: KnownAnswerAsk): MemberStep {
  const inMemory = state.shard.kind === 'checking' || state.shard.kind === 'ready';
  return inMemory && state.use !== 'paused'
    ? [state, [{ type: 'known-answer', ask }]]
    : [state, []];
}

function onSessions(state: Member, count: number, now: InstantMs): MemberStep {
  if (count === state.sessions) return [state, []];
  const next: Member = { ...state, sessions: count };
  const keep = state.assignment?.range ?? null;
  const settled = state.shard.kind === 'ready' || state.shard.kind === 'checking';
  const isLess = count < state.sessions && (settled || !keep);
  const unload: NodeOutput[] = isLess ? [{ type: 'unload-idle', keep }] : [];
  if (count === 0) {
    const [idle, outputs] = onIdle(next, now);
    return [idle, [...unload, ...outputs]];
  }
  if (state.takeOver.kind !== 'fetching') return [next, unload];
  // Chunks that are there stay there: a later idle moment goes on from them.
  return [
    { ...next, takeOver: { kind: 'wanted', from: now } },
    [{ type: 'abort-fetch', purpose: 'take-over' }],
  ];
}

/** Take-over chunks come only while nobody waits for this node (P1). */
function onIdle(state: Member, now: InstantMs): MemberStep {
  const { assignment, takeOver } = state;
  const idle = state.sessions === 0 && state.shard.kind === 'ready' && state.use === 'lent';
  if (!idle || !assignment?.takeOver) return [state, []];
  if (takeOver.kind !== 'wanted' || now < takeOver.from) return [state, []];
  const task = state.nextTask;
  return [
    { ...state, nextTask: task + 1, takeOver: { kind: 'fetching', task } },
    [{ type: 'fetch', task, purpose: 'take-over', range: assignment.takeOver }],
  ];
}

/** V2: the leave message goes first, so that a failover begins at once. */
function onPause(state: Member, now: InstantMs): MemberStep {
  if (state.use === 'paused') return [state, []];
  const outputs: NodeOutput[] = [
    { type: 'send', message: { type: 'leave', how: 'pause' } },
    { type: 'worker', command: 'pause' },
  ];
  let next: Member = { ...state, use: 'paused' };
  if (state.shard.kind === 'fetching') {
    next = { ...next, shard: { kind: 'none' } };
    outputs.push({ type: 'abort-fetch', purpose: 'shard' });
  }
  if (state.takeOver.kind === 'fetching') {
    next = { ...next, takeOver: { kind: 'wanted', from: now } };
    outputs.push({ type: 'abort-fetch', purpose: 'take-over' });
  }
  return [next, outputs];
}

function onResume(state: Member, now: InstantMs): MemberStep {
  if (state.use !== 'paused') return [state, []];
  const lent: Member = { ...state, use: 'lent' };
  const missing = lent.shard.kind === 'none' || lent.shard.kind === 'failed';
  const [next, outputs] = missing ? beginShard(lent) : onIdle(lent, now);
  return [
    next,
    [
      { type: 'worker', command: 'resume' },
      { type: 'send', message: { type: 'resume' } },
      ...outputs,
    ],
  ];
}
