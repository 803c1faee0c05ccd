import { bytesEqual, compareBytes } from '#lib/ledger/crypto/sha256.ts';

/**
 * A persistent set of byte strings in their order, none of them the beginning of another. Sixteen-ary
 * like the trie, an entry at the first depth at which it is alone; nothing in it is hashed.
 */
export type ByteSet = SetNode | null;
type SetNode = Uint8Array | readonly (SetNode | null)[];

const isEntry = (node: SetNode): node is Uint8Array => node instanceof Uint8Array;

function nibbleAt(entry: Uint8Array, depth: number): number {
  const byte = entry[depth >> 1] ?? 0;
  return depth % 2 === 0 ? byte >> 4 : byte & 15;
}

const EMPTY: readonly (SetNode | null)[] = Array<null>(16).fill(null);

export const withEntry = (set: ByteSet, entry: Uint8Array): ByteSet => inserted(set, entry, 0);
export const withoutEntry = (set: ByteSet, entry: Uint8Array): ByteSet => removed(set, entry, 0);

function inserted(node: SetNode | null, entry: Uint8Array, depth: number): SetNode {
  if (node === null) return entry;
  if (isEntry(node)) {
    if (bytesEqual(node, entry)) return node;
    return inserted(EMPTY.with(nibbleAt(node, depth), node), entry, depth);
  }
  const nibble = nibbleAt(entry, depth);
  return node.with(nibble, inserted(node[nibble] ?? null, entry, depth + 1));
}

function removed(node: SetNode | null, entry: Uint8Array, depth: number): SetNode | null {
  if (node === null) return null;
  if (isEntry(node)) return bytesEqual(node, entry) ? null : node;
  const nibble = nibbleAt(entry, depth);
  const child = node[nibble] ?? null;
  const left = removed(child, entry, depth + 1);
  if (left === child) return node;
  const after = node.with(nibble, left);
  const there = after.filter((each) => each !== null);
  const [only] = there;
  if (only === undefined) return null;
  return there.length === 1 && isEntry(only) ? only : after;
}

/** Entries that are not below `from`, in order. */
export function entriesFrom(set: ByteSet, from: Uint8Array): Generator<Uint8Array, undefined> {
  return walk(set, { from, depth: 0 });
}

/** `from` is null once every entry below the node lies above it. */
function* walk(
  node: SetNode | null,
  { from, depth }: { readonly from: Uint8Array | null; readonly depth: number },
): Generator<Uint8Array, undefined> {
  if (node === null) return;
  if (isEntry(node)) {
    if (from === null || compareBytes(node, from) >= 0) yield node;
    return;
  }
  const first = from === null ? 0 : nibbleAt(from, depth);
  for (let nibble = first; nibble < node.length; nibble += 1) {
    yield* walk(node[nibble] ?? null, { from: nibble === first ? from : null, depth: depth + 1 });
  }
}
