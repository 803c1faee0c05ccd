import type { GrammarNode } from './nodes.ts';

/**
 * Levels of objects and arrays that a value of each node needs at least; Infinity where it cannot
 * end within `depthMax`. A value is begun only where its height fits: what is begun can be ended.
 */
export function heightsOf(nodes: readonly GrammarNode[], depthMax: number): number[] {
  const heights = nodes.map(() => Infinity);
  const of = (node: number): number => heights[node] ?? Infinity;
  // A height needs only lower ones: after pass n every height below n is known.
  for (let pass = 0; pass <= depthMax; pass += 1) {
    nodes.forEach((node, index) => {
      heights[index] = Math.min(of(index), heightOf(node, of));
    });
  }
  return heights.map((height) => (height <= depthMax ? height : Infinity));
}

function heightOf(node: GrammarNode, of: (node: number) => number): number {
  switch (node.kind) {
    case 'words':
    case 'string':
    case 'number':
      return 0;
    case 'map':
      return 1;
    case 'array':
      return node.min === 0 ? 1 : 1 + of(node.items);
    case 'object':
      return node.properties.reduce(
        (most, { node: value, isRequired }) => (isRequired ? Math.max(most, 1 + of(value)) : most),
        1,
      );
    case 'any-of':
      return node.alternatives.reduce((least, each) => Math.min(least, of(each)), Infinity);
  }
}
