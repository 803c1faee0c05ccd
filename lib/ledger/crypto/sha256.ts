import { sha256 } from '@noble/hashes/sha2.js';

/** SHA-256 in one synchronous call: any bytes → 32 bytes. Cores take it as an argument. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const HASH_BYTES = 32;

/** What stands for "nothing here": the root of an empty trie, the empty slot of an inner node. */
export const ZERO_HASH: Uint8Array = new Uint8Array(HASH_BYTES);

/** SHA-256 in JavaScript, the same on every platform; Node's own (`server.ts`) is five times faster. */
export const portableSha256: Sha256 = (bytes) => sha256(bytes);

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

/** Order of byte strings: by the first byte that differs, a prefix before what it begins. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
