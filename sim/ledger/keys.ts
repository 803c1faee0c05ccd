import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { nodeSha256, nodeSigner, serverVerifier } from '#lib/ledger/crypto/server.ts';

/** Keys by name, and how their signatures are verified. */
export interface KeyRing {
  readonly signer: (name: string) => Signer;
  readonly verify: Verify;
  /** The same signer with another signature over the same bytes, as randomised Ed25519 would give. */
  readonly again: (name: string) => Signer;
}

const HASH = 32;

/**
 * 64 bytes for a key and a message, SHA-256(key ‖ message ‖ salt) ‖ salt: a hundred times as fast as
 * Ed25519, and as there one message has many signatures. Only `signer` makes them; none is forged here.
 */
function hashed(key: Uint8Array, message: Uint8Array, salt: Uint8Array): Uint8Array {
  return concatBytes([nodeSha256(concatBytes([key, message, salt])), salt]);
}

const keyedVerify: Verify = (key, message, signature) => {
  if (signature.length !== 2 * HASH) return false;
  const wanted = nodeSha256(concatBytes([key, message, signature.subarray(HASH)]));
  for (let i = 0; i < HASH; i += 1) if (wanted[i] !== signature[i]) return false;
  return true;
};

function keyedSigner(name: string, salt: Uint8Array): Signer {
  const publicKey = nodeSha256(utf8(`key of ${name}`));
  return { publicKey, sign: (message) => hashed(publicKey, message, salt) };
}

const SALT = new Uint8Array(HASH);
const OTHER_SALT = new Uint8Array(HASH).fill(1);

/** Made once a process: names repeat over the seeds. */
function byName(make: (name: string) => Signer): (name: string) => Signer {
  const made = new Map<string, Signer>();
  return (name) => {
    const known = made.get(name) ?? make(name);
    made.set(name, known);
    return known;
  };
}

const keyed: KeyRing = {
  signer: byName((name) => keyedSigner(name, SALT)),
  again: byName((name) => keyedSigner(name, OTHER_SALT)),
  verify: keyedVerify,
};

const realSigner = byName((name) => nodeSigner(nodeSha256(utf8(`seed of ${name}`))));
const real: KeyRing = { signer: realSigner, again: realSigner, verify: serverVerifier() };

/** Every 50th seed signs with Ed25519. */
export const REAL_EVERY = 50;
export const keyRingOf = (seed: number): KeyRing => (seed % REAL_EVERY === 0 ? real : keyed);
