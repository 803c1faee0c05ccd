import type { GrammarLimits } from './limits.ts';
import type { GrammarNode } from './nodes.ts';
import { tooManyAlternatives } from './refuse.ts';

/**
 * Any-ofs with those inside them (references are such, of one) laid flat, so that beginning a value
 * never recurses. One that leads only to itself has no alternatives left: nothing fits it.
 * @throws FaultError `request/unsupported` past `alternativesMax`.
 */
export function flattened(nodes: readonly GrammarNode[], limits: GrammarLimits): GrammarNode[] {
  return nodes.map((node, index) =>
    node.kind === 'any-of'
      ? { kind: 'any-of', alternatives: leavesOf(nodes, index, limits) }
      : node,
  );
}

function leavesOf(nodes: readonly GrammarNode[], root: number, limits: GrammarLimits): number[] {
  const seen = new Set([root]);
  const leaves: number[] = [];
  // Later finds are appended while the set is walked.
  for (const index of seen) {
    const node = nodes[index];
    if (node?.kind === 'any-of') node.alternatives.forEach((each) => seen.add(each));
    else leaves.push(index);
    if (seen.size > 2 * limits.alternativesMax) break;
  }
  if (leaves.length > limits.alternativesMax || seen.size > 2 * limits.alternativesMax) {
    throw tooManyAlternatives('#', limits.alternativesMax);
  }
  return leaves;
}
