import nacl from 'tweetnacl';
import { invariant } from '#lib/kernel/assert.ts';
import { fromHex, toHex, utf8 } from '#lib/kernel/bytes.ts';
import { canonicalJson } from '#lib/kernel/canonical.ts';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import type { Signer } from '#lib/kernel/ports.ts';

/** Keys of a profile and of its nodes (M1): all Ed25519, all ids the public key in hex. */

export interface KeyPair<Id extends string> extends Signer {
  readonly id: Id;
}

/** What a node proves itself with: its own key, made per tab or process, and its owner's word. */
export interface NodeKeys {
  readonly node: KeyPair<NodeId>;
  readonly identity: IdentityId;
  /** The identity's signature over (`declai/node/1`, node key), hex. */
  readonly certificate: string;
}

/** Keeps one seed for a profile; the first writer wins, so that three new tabs agree. */
export interface KeyStore {
  /** The stored 32 bytes; `fresh`, now stored, where there were none. */
  loadOrSave(fresh: Uint8Array): Promise<Uint8Array>;
}

export const SEED_BYTES = 32;

export const newSeed = (): Uint8Array => nacl.randomBytes(SEED_BYTES);

export function keyPairFromSeed<Id extends string>(seed: Uint8Array): KeyPair<Id> {
  invariant(seed.length === SEED_BYTES, 'an Ed25519 seed has 32 bytes');
  const { publicKey, secretKey } = nacl.sign.keyPair.fromSeed(seed);
  return {
    publicKey,
    id: toHex(publicKey) as Id,
    sign: (message) => nacl.sign.detached(message, secretKey),
  };
}

export async function loadIdentity(store: KeyStore): Promise<KeyPair<IdentityId>> {
  return keyPairFromSeed(await store.loadOrSave(newSeed()));
}

/** A node of `identity`, with a key of its own that lives as long as the tab or process. */
export function newNodeKeys(identity: KeyPair<IdentityId>, seed = newSeed()): NodeKeys {
  const node = keyPairFromSeed<NodeId>(seed);
  return {
    node,
    identity: identity.id,
    certificate: signParts(identity, certificateParts(node.id)),
  };
}

export const verifyCertificate = (
  identity: IdentityId,
  node: NodeId,
  certificate: string,
): boolean => verifyParts(identity, certificateParts(node), certificate);

const certificateParts = (node: NodeId) => ['declai/node/1', node];

/**
 * Everything that is signed is the canonical JSON of a list whose first member names what it is:
 * no two statements share bytes, and no part can run into the next.
 */
export const signParts = (signer: Signer, parts: readonly (string | number)[]): string =>
  toHex(signer.sign(utf8(canonicalJson(parts))));

/** False for anything that is not a signature by `id`, malformed hex included. */
export function verifyParts(
  id: NodeId | IdentityId,
  parts: readonly (string | number)[],
  signature: string,
): boolean {
  const key = fromHex(id);
  const bytes = fromHex(signature);
  if (key?.length !== nacl.sign.publicKeyLength) return false;
  if (bytes?.length !== nacl.sign.signatureLength) return false;
  return nacl.sign.detached.verify(utf8(canonicalJson(parts)), bytes, key);
}

/** In-memory twin of the browser's and Node's key stores. */
export function memoryKeyStore(): KeyStore {
  let stored: Uint8Array | null = null;
  return { loadOrSave: (fresh) => Promise.resolve((stored ??= fresh)) };
}
