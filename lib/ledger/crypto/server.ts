import * as nodeCrypto from 'node:crypto';
import { createRequire } from 'node:module';
import type { Signer } from '#lib/kernel/ports.ts';
import { withRule, type Verify } from './ed25519/rule.ts';
import { HASH_BYTES, type Sha256 } from './sha256.ts';

/**
 * SHA-256 by OpenSSL. Node gives it as text in a third of the time that it takes to make a buffer for it.
 */
export const nodeSha256: Sha256 = (bytes) => {
  const text = nodeCrypto.hash('sha256', bytes, 'binary');
  const hash = new Uint8Array(HASH_BYTES);
  for (let i = 0; i < HASH_BYTES; i += 1) hash[i] = text.charCodeAt(i);
  return hash;
};

/** What precedes the 32 raw bytes in DER (RFC 8410): SubjectPublicKeyInfo, and a PKCS #8 private key. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Importing a key costs as much as half a verification; each kept one takes about 2 KB. */
const KEYS_MAX = 4096;

/** OpenSSL's Ed25519. Keys are kept imported, the `keysMax` used last: strangers cannot fill memory. */
export function nodeVerifier(keysMax = KEYS_MAX): Verify {
  const keys = new Map<string, nodeCrypto.KeyObject>();
  return withRule((publicKey, message, signature) => {
    const name = Buffer.from(publicKey).toString('latin1');
    try {
      const key = keys.get(name) ?? imported(publicKey);
      keys.delete(name);
      keys.set(name, key);
      if (keys.size > keysMax) keys.delete(keys.keys().next().value ?? '');
      return nodeCrypto.verify(null, message, key, signature);
    } catch {
      // OpenSSL throws for a key that is no point of the curve.
      return false;
    }
  });
}

const imported = (publicKey: Uint8Array): nodeCrypto.KeyObject =>
  nodeCrypto.createPublicKey({
    key: Buffer.concat([SPKI, publicKey]),
    format: 'der',
    type: 'spki',
  });

interface Sodium {
  crypto_sign_seed_keypair(publicKey: Buffer, secretKey: Buffer, seed: Buffer): void;
  crypto_sign_detached(signature: Buffer, message: Buffer, secretKey: Buffer): void;
  crypto_sign_verify_detached(signature: Buffer, message: Buffer, publicKey: Buffer): boolean;
}

/** libsodium's Ed25519, twice as fast; null where the optional package has no build for this machine. */
export function sodiumVerify(): Verify | null {
  const sodium = loadSodium();
  if (sodium === null) return null;
  return withRule((publicKey, message, signature) =>
    sodium.crypto_sign_verify_detached(asBuffer(signature), asBuffer(message), asBuffer(publicKey)),
  );
}

function loadSodium(): Sodium | null {
  try {
    return createRequire(import.meta.url)('sodium-native') as Sodium;
  } catch {
    return null;
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The fastest verification of this machine. */
export const serverVerifier = (): Verify => sodiumVerify() ?? nodeVerifier();

/** @param seed 32 bytes. */
export function nodeSigner(seed: Uint8Array): Signer {
  const key = nodeCrypto.createPrivateKey({
    key: Buffer.concat([PKCS8, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = nodeCrypto.createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI.length)),
    sign: (message) => new Uint8Array(nodeCrypto.sign(null, message, key)),
  };
}

/** The same signatures by libsodium, sooner; null where the optional package has no build for this machine. */
export function sodiumSigner(seed: Uint8Array): Signer | null {
  const sodium = loadSodium();
  if (sodium === null) return null;
  const [publicKey, secretKey] = [Buffer.alloc(32), Buffer.alloc(64)];
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, asBuffer(seed));
  return {
    publicKey: new Uint8Array(publicKey),
    sign(message) {
      const signature = new Uint8Array(64);
      sodium.crypto_sign_detached(asBuffer(signature), asBuffer(message), secretKey);
      return signature;
    },
  };
}

/** The fastest signer of this machine. @param seed 32 bytes. */
export const serverSigner = (seed: Uint8Array): Signer => sodiumSigner(seed) ?? nodeSigner(seed);
