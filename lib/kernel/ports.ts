import type { InstantMs } from './units.ts';

/** Doors to the outside: one port per fact, an in-memory twin for each. */
export interface Clock {
  /** Milliseconds, monotonic, arbitrary origin. */
  now(): InstantMs;
}

export interface Signer {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 signature of `message`, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

export const systemClock: Clock = { now: () => performance.now() as InstantMs };
