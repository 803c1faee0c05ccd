import { unreachable } from '#lib/kernel/assert.ts';
import { later } from '#lib/kernel/units.ts';
import { layerCount, sameRange, stepMs, UNSEEN } from '#lib/shard/placement/core.ts';
import type { NodeMessage } from '#lib/shard/wire/node-messages.ts';
import type { HubEvent } from '#server/signaling/hub.ts';
import { measuredSpeedOf, memoryBelow, sessionsOn } from './cluster.ts';
import { changeNode, logEntry, setNode, type Turn } from './events.ts';
import { assignAgain } from './assign.ts';
import { ORCHESTRATOR } from './limits.ts';
import { onLinkMessage, onLinkRates } from './links.ts';
import { loseNode, pauseNode } from './loss.ts';
import { onProgress, onSessionMessage, tellReturn } from './owners.ts';
import type { NodeRecord } from './state.ts';
import { askAgain, beginCheck, onAnswer } from './trust.ts';

/** What the hub says of nodes. Everything of an incarnation that ended is dropped (V3). */
export function onHubEvent(turn: Turn, event: HubEvent): void {
  if (event.type === 'joined') return onJoined(turn, event);
  const node = turn.state.nodes.get(event.node);
  if (node?.incarnation !== event.incarnation) return;
  if (node.standing.kind === 'lost' || node.standing.kind === 'left') return;
  switch (event.type) {
    case 'back':
      return onBack(turn, node);
    case 'disconnected':
      changeNode(turn, node, { closedAt: turn.now });
      return;
    case 'overrun':
      return loseNode(turn, node, 'overrun');
    case 'pong':
      changeNode(turn, node, { heardAt: turn.now, rttMs: event.rttMs });
      return onProgress(turn, node, event.progress);
    case 'message':
      return onNodeMessage(turn, node, event.message);
    default:
      return unreachable(event);
  }
}

/** A hello ends the node's earlier incarnation as a declaration would (V3). */
function onJoined(turn: Turn, event: Extract<HubEvent, { type: 'joined' }>): void {
  const { node, incarnation, identity, address, profile } = event;
  const before = turn.state.nodes.get(node);
  if (before) loseNode(turn, before, 'replaced');
  setNode(turn, {
    id: node,
    incarnation,
    identity,
    address,
    profile,
    standing: { kind: 'working' },
    closedAt: null,
    heardAt: turn.now,
    rttMs: null,
    reported: null,
    memoryBytes: profile.memoryLentBytes,
    range: null,
    takeOver: null,
    told: false,
    loaded: [],
    cached: profile.cachedRanges,
    proven: false,
    check: null,
    auditAt: later(turn.now, ORCHESTRATOR.auditEveryMs),
    slowdown: 1,
    pace: UNSEEN,
    served: { tokens: 0, steps: 0 },
  });
  logEntry(turn, { event: 'node-joined', node, device: profile.device });
  nodesChanged(turn);
}

function nodesChanged(turn: Turn): void {
  turn.state = { ...turn.state, changedAt: turn.now };
  turn.replan = true;
}

/** Orders may have been lost with the socket: all of them are said again (S4). */
function onBack(turn: Turn, node: NodeRecord): void {
  const back = changeNode(turn, node, { closedAt: null, heardAt: turn.now });
  assignAgain(turn, back);
  askAgain(turn, back);
  turn.wake = true;
}

function onNodeMessage(turn: Turn, node: NodeRecord, message: NodeMessage): void {
  switch (message.type) {
    case 'state': {
      const { state, bytesLoaded, bytesTotal } = message;
      changeNode(turn, node, { reported: { state, bytesLoaded, bytesTotal } });
      return;
    }
    case 'loaded':
      return onLoaded(turn, node, message);
    case 'load-failed':
      return onLoadFailed(turn, node, message);
    case 'cached':
      return void changeNode(turn, node, { cached: withRange(node.cached, message.range) });
    case 'known-answer':
      return onAnswer(turn, node, message);
    case 'link':
      return onLinkMessage(turn, node, message);
    case 'leave':
      return onLeave(turn, node, message.how);
    case 'resume':
      return onResume(turn, node);
    case 'load':
      return onLoad(turn, node, message);
    case 'session':
      return onSessionMessage(turn, node, message.message);
    case 'hello':
    case 'pong':
    case 'signal':
      // Handled inside the hub.
      return;
    default:
      return unreachable(message);
  }
}

/** An old range stays in memory until its sessions end; then only the assigned one is. */
function onLoaded(
  turn: Turn,
  node: NodeRecord,
  { model, range }: Extract<NodeMessage, { type: 'loaded' }>,
): void {
  if (model.hash !== turn.state.config.manifest || !isRange(turn, range)) return;
  const busy = sessionsOn(turn.state, node.id) > 0;
  const changed = changeNode(turn, node, {
    loaded: busy ? withRange(node.loaded, range) : [range],
    cached: withRange(node.cached, range),
  });
  // A recomputation costs half a second: only a range that was given out is worth one (M7).
  const isGiven = sameRange(node.range, range) || sameRange(node.takeOver, range);
  if (isGiven) beginCheck(turn, changed, range);
  // A device that has proven itself serves the new range while it is checked again (M7).
  if (node.proven) turn.wake = true;
}

function onLoadFailed(
  turn: Turn,
  node: NodeRecord,
  { range, code }: Extract<NodeMessage, { type: 'load-failed' }>,
): void {
  logEntry(turn, { event: 'load-failed', node: node.id, code });
  if (code !== 'engine/out-of-memory' && code !== 'package/storage-full') return;
  if (!isRange(turn, range)) return;
  const memoryBytes = Math.max(0, Math.min(node.memoryBytes, memoryBelow(turn.state, range)));
  changeNode(turn, node, { memoryBytes });
  nodesChanged(turn);
}

/** V2: failover begins at once. */
function onLeave(turn: Turn, node: NodeRecord, how: 'stop' | 'pause' | 'finish'): void {
  switch (how) {
    case 'stop':
      return loseNode(turn, node, 'left');
    case 'pause':
      return pauseNode(turn, node);
    case 'finish':
      changeNode(turn, node, { standing: { kind: 'finishing' } });
      return nodesChanged(turn);
    default:
      return unreachable(how);
  }
}

function onResume(turn: Turn, node: NodeRecord): void {
  const back = changeNode(turn, node, { standing: { kind: 'working' }, heardAt: turn.now });
  tellReturn(turn, back);
  askAgain(turn, back);
  nodesChanged(turn);
  turn.wake = true;
}

/** Live decode steps against predicted ones, smoothed over about ten reports (P3). */
function onLoad(
  turn: Turn,
  node: NodeRecord,
  { tokensServed, stepMsP50, stepRows, steps, linkRates }: Extract<NodeMessage, { type: 'load' }>,
): void {
  onLinkRates(turn, node, linkRates);
  const range = node.range;
  let { slowdown } = node;
  if (range && stepRows > 0 && stepMsP50 > 0 && steps > node.served.steps) {
    const speed = { ...measuredSpeedOf(turn.state, node), slowdown: 1 };
    const predicted = stepMs(turn.state.config.model.shape, speed, { range, rows: stepRows });
    slowdown += (Math.max(1, stepMsP50 / predicted) - slowdown) / 10;
  }
  changeNode(turn, node, { slowdown, served: { tokens: tokensServed, steps } });
}

const isRange = (turn: Turn, range: { first: number; last: number }): boolean =>
  range.first >= 0 && layerCount(range) > 0 && range.last < turn.state.config.model.shape.layers;

const withRange = <R extends { first: number; last: number }>(
  ranges: readonly R[],
  range: R,
): readonly R[] =>
  [...ranges.filter((other) => !sameRange(other, range)), range].slice(-ORCHESTRATOR.rangesMax);
