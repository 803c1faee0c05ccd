import { concatBytes } from '#lib/kernel/bytes.ts';
import { bytesEqual, HASH_BYTES, ZERO_HASH, type Sha256 } from '../sha256.ts';
import {
  bitCount,
  childAt,
  DEPTH_MAX,
  hashesOf,
  innerNodeHash,
  isLeaf,
  KEY_BYTES,
  keyOf,
  leafNodeHash,
  nibbleAt,
  slotOf,
  valueOf,
  type Trie,
} from './node.ts';

/**
 * That a key has a value, or that it has none: the siblings on its path, then what stands at its end.
 *
 *     u8 levels; each from the root down: u16 siblings present (big-endian bits by nibble, the path's own
 *     never set), 32 bytes for each; u8 end: 0 the key's own leaf, 1 an empty slot, 2 another leaf
 *     (32 bytes key, 32 bytes value hash)
 */

const END_OWN_LEAF = 0;
const END_EMPTY = 1;
const END_OTHER_LEAF = 2;

/** The proof for `key`, whether it is there or not. */
export function trieProve(trie: Trie, key: Uint8Array, sha256: Sha256): Uint8Array {
  const levels: Uint8Array[] = [];
  let node = trie.root;
  while (node !== null && !isLeaf(node)) {
    const nibble = nibbleAt(key, levels.length);
    const own = 1 << nibble;
    const others = node.present & ~own;
    const slot = slotOf(node.present, nibble);
    const before = hashesOf(node, 0, slot);
    const after = hashesOf(node, slot + (node.present & own ? 1 : 0), bitCount(node.present));
    levels.push(concatBytes([Uint8Array.of(others >> 8, others & 255), before, after]));
    node = childAt(node, nibble);
  }
  return concatBytes([Uint8Array.of(levels.length), ...levels, endOf(node, key, sha256)]);
}

function endOf(leaf: Uint8Array | null, key: Uint8Array, sha256: Sha256): Uint8Array {
  if (leaf === null) return Uint8Array.of(END_EMPTY);
  if (bytesEqual(keyOf(leaf), key)) return Uint8Array.of(END_OWN_LEAF);
  return concatBytes([Uint8Array.of(END_OTHER_LEAF), keyOf(leaf), sha256(valueOf(leaf))]);
}

export interface TrieClaim {
  readonly rootHash: Uint8Array;
  readonly key: Uint8Array;
  /** Null claims that the key is absent. */
  readonly value: Uint8Array | null;
  readonly proof: Uint8Array;
}

interface Level {
  readonly present: number;
  readonly siblings: Uint8Array;
}

/** Does the proof show the claim, under this root? Never throws, whatever the bytes. */
export function verifyTrieProof(claim: TrieClaim, sha256: Sha256): boolean {
  const { rootHash, key, value, proof } = claim;
  if (key.length !== KEY_BYTES || rootHash.length !== HASH_BYTES) return false;
  const read = readLevels(proof);
  if (read === null) return false;
  const { levels, end } = read;
  let hash = endHash({ key, value, end }, sha256);
  for (let depth = levels.length - 1; hash !== null && depth >= 0; depth -= 1) {
    hash = levelHash(levels[depth], { nibble: nibbleAt(key, depth), hash }, sha256);
  }
  return hash !== null && bytesEqual(hash, rootHash);
}

/** Levels of a proof and the bytes after them, or null where it is no proof. */
function readLevels(proof: Uint8Array): { levels: Level[]; end: Uint8Array } | null {
  const count = proof[0] ?? DEPTH_MAX + 1;
  if (count > DEPTH_MAX) return null;
  const levels: Level[] = [];
  let at = 1;
  for (let i = 0; i < count; i += 1) {
    if (at + 2 > proof.length) return null;
    const present = ((proof[at] ?? 0) << 8) | (proof[at + 1] ?? 0);
    const end = at + 2 + bitCount(present) * HASH_BYTES;
    if (end > proof.length) return null;
    levels.push({ present, siblings: proof.subarray(at + 2, end) });
    at = end;
  }
  return { levels, end: proof.subarray(at) };
}

/** The hash at the end of the path; zeros for an empty slot; null where it does not show the claim. */
function endHash(
  at: { key: Uint8Array; value: Uint8Array | null; end: Uint8Array },
  sha256: Sha256,
): Uint8Array | null {
  const { key, value, end } = at;
  const kind = end[0];
  if (kind === END_OWN_LEAF) {
    if (value === null || end.length !== 1) return null;
    return leafNodeHash(key, sha256(value), sha256);
  }
  if (value !== null) return null;
  if (kind === END_EMPTY) return end.length === 1 ? ZERO_HASH : null;
  if (kind !== END_OTHER_LEAF || end.length !== 1 + KEY_BYTES + HASH_BYTES) return null;
  const other = end.subarray(1, 1 + KEY_BYTES);
  // That it stands in the key's place is what the hashes above it show: they are folded along the key.
  if (bytesEqual(other, key)) return null;
  return leafNodeHash(other, end.subarray(1 + KEY_BYTES), sha256);
}

function levelHash(
  level: Level | undefined,
  own: { nibble: number; hash: Uint8Array },
  sha256: Sha256,
): Uint8Array | null {
  if (level === undefined || (level.present & (1 << own.nibble)) !== 0) return null;
  if (bytesEqual(own.hash, ZERO_HASH)) return innerNodeHash(level.present, level.siblings, sha256);
  const slot = slotOf(level.present, own.nibble) * HASH_BYTES;
  const hashes = concatBytes([
    level.siblings.subarray(0, slot),
    own.hash,
    level.siblings.subarray(slot),
  ]);
  return innerNodeHash(level.present | (1 << own.nibble), hashes, sha256);
}
