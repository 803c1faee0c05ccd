import { createHash } from 'node:crypto';

/**
 * The root of the state trie by its definition alone: leaf = H(0 ‖ key ‖ H(value)), inner = H(1 ‖ 16
 * children, zeros if empty), a leaf where no other key shares the digits so far. Keys in hex: their
 * digits are the nibbles.
 */
export function naiveTrieRoot(entries: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const root = (keys: readonly string[], depth: number): Uint8Array => {
    const [only] = keys;
    if (only === undefined) return Buffer.alloc(32);
    if (keys.length === 1) {
      const value = sha256(entries.get(only) ?? Buffer.alloc(0));
      return sha256(Buffer.concat([Buffer.of(0), Buffer.from(only, 'hex'), value]));
    }
    const children = Array.from('0123456789abcdef').map((digit) =>
      root(
        keys.filter((key) => key[depth] === digit),
        depth + 1,
      ),
    );
    return sha256(Buffer.concat([Buffer.of(1), ...children]));
  };
  return root([...entries.keys()], 0);
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
