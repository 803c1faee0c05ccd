/** Literals as a tree of bytes. Node 0 is the root; 0 as a child or sibling means none. */
export interface WordTree {
  /** The node that `byte` leads to; 0: none. */
  next(node: number, byte: number): number;
  /** Which word ends at a node; −1: none. */
  wordAt(node: number): number;
  /** Whether a word goes on past a node. */
  goesOn(node: number): boolean;
  /** Words at or past a node, ascending. */
  wordsFrom(node: number): readonly number[];
}

export function createWordTree(words: readonly Uint8Array[]): WordTree {
  const byteOf = [0];
  const child = [0];
  const sibling = [0];
  const word = [-1];
  const from: number[][] = [[]];
  const next = (node: number, byte: number): number => {
    let at = child[node] as number;
    while (at !== 0 && byteOf[at] !== byte) at = sibling[at] as number;
    return at;
  };
  const grow = (node: number, byte: number): number => {
    const at = byteOf.push(byte) - 1;
    child.push(0);
    sibling.push(child[node] as number);
    word.push(-1);
    from.push([]);
    child[node] = at;
    return at;
  };
  words.forEach((bytes, index) => {
    let node = 0;
    from[0]?.push(index);
    for (const byte of bytes) {
      node = next(node, byte) || grow(node, byte);
      from[node]?.push(index);
    }
    if (word[node] === -1) word[node] = index;
  });
  return {
    next,
    wordAt: (node) => word[node] ?? -1,
    goesOn: (node) => child[node] !== 0,
    wordsFrom: (node) => from[node] ?? [],
  };
}
