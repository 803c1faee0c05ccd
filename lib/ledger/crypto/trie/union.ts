import { ZERO_HASH, type Sha256 } from '../sha256.ts';
import { NodeDraft, ownRoom, type Hashed } from './draft.ts';
import {
  bitCount,
  childAt,
  DEPTH_MAX,
  hashesOf,
  isLeaf,
  nibbleAt,
  slotOf,
  WIDTH,
  type Trie,
} from './node.ts';

/**
 * Several tries as one, the same that all their entries together give; null where a key is in two of
 * them. What stands under digits that one of them has alone is taken as it is: of parts of a trie only the
 * few nodes above them are made.
 */
export function trieUnion(tries: readonly Trie[], sha256: Sha256): Trie | null {
  const all = tries.flatMap(({ root, rootHash }) =>
    root === null ? [] : [{ node: root, hash: rootHash }],
  );
  if (all.length === 0) return { root: null, rootHash: ZERO_HASH, size: 0 };
  const made = new Union(sha256).of(all, 0);
  if (made === null) return null;
  const size = tries.reduce((sum, trie) => sum + trie.size, 0);
  return { root: made.node, rootHash: made.hash, size };
}

class Union {
  readonly #sha256: Sha256;
  /** One a depth: it goes down one path at a time. */
  readonly #drafts: NodeDraft[] = [];

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** @param all one or more, which share so many digits. */
  of(all: readonly Hashed[], depth: number): Hashed | null {
    const [only] = all;
    if (only !== undefined && all.length === 1) return only;
    // Leaves that share all digits.
    if (depth === DEPTH_MAX) return null;
    const draft = (this.#drafts[depth] ??= new NodeDraft());
    for (const [nibble, children] of byNibble(all, depth).entries()) {
      if (children.length === 0) continue;
      const made = this.of(children, depth + 1);
      if (made === null) return null;
      draft.add(nibble, made.node, made.hash);
    }
    return draft.finish(ownRoom, this.#sha256);
  }
}

/** What stands one digit further down; a leaf stands where it would be pushed to. */
function byNibble(all: readonly Hashed[], depth: number): Hashed[][] {
  const found: Hashed[][] = Array.from({ length: WIDTH }, () => []);
  for (const each of all) {
    const { node } = each;
    if (isLeaf(node)) {
      found[nibbleAt(node, depth)]?.push(each);
      continue;
    }
    const { present } = node;
    for (let left = present; left !== 0; left &= left - 1) {
      const nibble = bitCount((left & -left) - 1);
      const child = childAt(node, nibble);
      const slot = slotOf(present, nibble);
      if (child !== null)
        found[nibble]?.push({ node: child, hash: hashesOf(node, slot, slot + 1) });
    }
  }
  return found;
}
