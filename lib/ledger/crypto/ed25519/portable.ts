import nacl from 'tweetnacl';
import type { Signer } from '#lib/kernel/ports.ts';
import { withRule, type Verify } from './rule.ts';

/** Verification in JavaScript: the last resort, under a hundred a second on a small core. */
export const portableVerify: Verify = withRule((publicKey, message, signature) =>
  nacl.sign.detached.verify(message, signature, publicKey),
);

/** @param seed 32 bytes. */
export function portableSigner(seed: Uint8Array): Signer {
  const { publicKey, secretKey } = nacl.sign.keyPair.fromSeed(seed);
  return { publicKey, sign: (message) => nacl.sign.detached(message, secretKey) };
}
