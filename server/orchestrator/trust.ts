import { later } from '#lib/kernel/units.ts';
import { answersAgree, type KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import type { Engine, LayerRange } from '#lib/webgpu/model.ts';
import type { StageClass } from '#lib/webgpu/stage.ts';
import { rangeKey, sameRange } from '#lib/shard/placement/core.ts';
import {
  changeNode,
  logEntry,
  sendNode,
  update,
  type OrchestratorInput,
  type Question,
  type Turn,
} from './events.ts';
import { ORCHESTRATOR } from './limits.ts';
import { loseNode } from './loss.ts';
import type { Check, NodeRecord } from './state.ts';

/**
 * Known answers (M7): before its first work a node computes a seeded input on its range, and the
 * server recomputes it with the CPU kernels: the same bits for a CPU stage; for a GPU stage, whose
 * activations are floats whatever the route's numerics, the `exact` ones within a tolerance. What is proven is the device: its weights are checked
 * by hash. So a range that a proven device loads later counts at once, above all the take-over in
 * the middle of a failover, where a check would be part of the reader's pause.
 */

const CLASS_OF: Readonly<Record<Engine, StageClass>> = {
  'cpu-wasm': 'bits',
  'gpu-webgpu': 'tolerance',
  'gpu-webgpu-f16': 'half',
};

const keyOf = ({ range, seed, numerics }: Question): string =>
  `${rangeKey(range)}/${seed}/${numerics}`;

/** What the server has to recompute to judge this node. */
export function questionOf(
  turn: Turn,
  { profile }: NodeRecord,
  { range, seed }: Pick<Check, 'range' | 'seed'>,
): Question {
  const { numerics } = turn.state.config;
  return { range, seed, numerics: profile.engine === 'cpu-wasm' ? numerics : 'exact' };
}

/** Asks the node; the same input for all holders of a range, so that one recomputation serves. */
export function beginCheck(turn: Turn, node: NodeRecord, range: LayerRange): void {
  ask(turn, node, { range, seed: turn.state.config.seed });
}

function ask(turn: Turn, node: NodeRecord, { range, seed }: Pick<Check, 'range' | 'seed'>): void {
  const id = turn.state.nextCheck;
  const deadline = later(turn.now, ORCHESTRATOR.knownAnswerMs);
  update(turn, { nextCheck: id + 1 });
  const asked = changeNode(turn, node, { check: { id, range, seed, deadline, answer: null } });
  const rows = ORCHESTRATOR.knownRows;
  sendNode(turn, asked, { type: 'known-answer', id, range, seed, rows });
  askExpected(turn, questionOf(turn, asked, { range, seed }));
}

/** After a broken socket or a pause: a question or a `loaded` may have been lost on the way. */
export function askAgain(turn: Turn, node: NodeRecord): void {
  if (node.check) return ask(turn, node, node.check);
  const { range } = node;
  const isKnown = range !== null && node.loaded.some((have) => sameRange(have, range));
  if (range && !isKnown) ask(turn, node, { range, seed: turn.state.config.seed });
}

/** Has the answer recomputed, once for all nodes; the oldest answers are forgotten. */
export function askExpected(turn: Turn, question: Question): void {
  const key = keyOf(question);
  if (turn.state.expected.has(key)) return;
  const expected = new Map([...turn.state.expected].slice(1 - ORCHESTRATOR.expectedMax));
  update(turn, { expected: expected.set(key, null) });
  turn.out.push({ type: 'expect', question });
}

export function onAnswer(
  turn: Turn,
  node: NodeRecord,
  { id, answer }: { readonly id: number; readonly answer: KnownAnswer },
): void {
  if (node.check?.id !== id || node.check.answer !== null) return;
  judge(turn, changeNode(turn, node, { check: { ...node.check, answer } }));
}

/** The recomputed answer is there, or failed: then a tick asks for it again. */
export function onExpected(
  turn: Turn,
  { question, result }: Extract<OrchestratorInput, { type: 'expected' }>,
): void {
  const expected = new Map(turn.state.expected);
  const key = keyOf(question);
  if ('fault' in result) {
    expected.delete(key);
    logEntry(turn, {
      event: 'recompute-failed',
      layers: rangeKey(question.range),
      code: result.fault,
    });
    update(turn, { expected, recheckAt: later(turn.now, ORCHESTRATOR.recheckMs) });
    return;
  }
  update(turn, { expected: expected.set(key, result.answer) });
  for (const node of [...turn.state.nodes.values()]) judge(turn, node);
}

function judge(turn: Turn, node: NodeRecord): void {
  const { check, standing, profile } = node;
  if (!check || check.answer === null) return;
  if (standing.kind === 'lost' || standing.kind === 'left') return;
  const expected = turn.state.expected.get(keyOf(questionOf(turn, node, check))) ?? null;
  if (expected === null) return;
  if (!answersAgree(CLASS_OF[profile.engine], check.answer, expected)) {
    logEntry(turn, {
      event: 'known-answer-failed',
      node: node.id,
      layers: rangeKey(check.range),
    });
    return loseNode(turn, node, 'wrong-answer');
  }
  const isNew = !node.loaded.some((range) => sameRange(range, check.range));
  const trusted = changeNode(turn, node, {
    check: null,
    proven: true,
    loaded: isNew ? [...node.loaded, check.range] : node.loaded,
    auditAt: later(turn.now, ORCHESTRATOR.auditEveryMs),
  });
  sendNode(turn, trusted, { type: 'trusted', range: check.range });
  turn.replan = true;
  turn.wake = true;
}

/** Answers that are overdue, recomputations to repeat, and audits of nodes at work (M7). */
export function tickTrust(turn: Turn): void {
  const mayAsk = turn.now >= turn.state.recheckAt;
  for (const node of [...turn.state.nodes.values()]) {
    if (node.standing.kind !== 'working' || node.closedAt !== null) continue;
    const { check } = node;
    if (check?.answer === null && turn.now >= check.deadline) onSilent(turn, node);
    else if (check && mayAsk) askExpected(turn, questionOf(turn, node, check));
    else if (!check && node.proven && turn.now >= node.auditAt) audit(turn, node);
  }
}

/**
 * It said that the range is loaded and does not answer. What it never said (see `askAgain`) is
 * merely not there yet.
 */
function onSilent(turn: Turn, node: NodeRecord): void {
  const range = node.check?.range ?? null;
  const claimed = node.loaded.some((have) => sameRange(have, range));
  if (claimed) loseNode(turn, node, 'not-working');
  else changeNode(turn, node, { check: null });
}

/** Another seed than before, so that an answer cannot be replayed. */
function audit(turn: Turn, node: NodeRecord): void {
  const range = node.loaded.find((have) => sameRange(have, node.range));
  const seed = (turn.state.config.seed + turn.state.nextCheck) % 2 ** 32;
  if (range) ask(turn, node, { range, seed });
  else changeNode(turn, node, { auditAt: later(turn.now, ORCHESTRATOR.auditEveryMs) });
}
