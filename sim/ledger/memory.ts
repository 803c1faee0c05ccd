import type { inspect } from '#lib/ledger/pbft/inspect.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { expected } from './failure.ts';
import { isCorrect, type Node } from './node.ts';

/** What a core keeps is bounded by the genesis' numbers and by how many replicas there are. */
export function checkMemory(view: typeof inspect, node: Node): void {
  if (!isCorrect(node)) return;
  const { constitution, slots, bodies, seals, withheld, checkpoints, executed } = node.state;
  const { logWindow, checkpointInterval } = constitution.parameters;
  const n = constitution.members.length;
  const sizes: readonly (readonly [string, number, number])[] = [
    ['slots', slots.size, 3 * logWindow],
    ['bodies', bodies.size, LIMITS.bodiesPerSlotMax * logWindow + 1],
    ['seals', seals.size, (3 * logWindow) / checkpointInterval],
    ['checkpoints', checkpoints.size, (3 * logWindow) / checkpointInterval],
    ['executed', executed.size, 3 * logWindow],
    ['view changes', node.state.viewChanges.size, n + 1],
    ['evidence', node.state.evidence.length, LIMITS.evidenceMax],
    ['withheld', withheld.length, 8 * logWindow],
    ['pending', view(node.state).pending, LIMITS.pendingMax],
  ];
  for (const [name, size, most] of sizes) {
    expected(size <= most, 'memory', () => `${node.operator} keeps ${size} ${name}`);
  }
}
