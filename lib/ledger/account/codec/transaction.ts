import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';
import { toFault, type FaultError } from '#lib/kernel/errors.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { MINT_BYTES_MAX, TRANSACTION_BYTES_MAX } from '../limits.ts';
import { isChange, readBody, writeBody, type Body, type Change } from './bodies.ts';
import { decodeCbor, encodeCbor, malformed, type Cbor } from './cbor.ts';
import { hash, instant, integer, key, signature, u64 } from './fields.ts';

/**
 * A transaction on the wire is the CBOR array
 *
 *     [version, chain, publicKey, nonce, validUntilMs, body, signature]
 *
 * Its first six places as an array of their own are the unsigned bytes: they are what is signed, after
 * the domain, and their SHA-256 is its id. A signature never names anything.
 */
export interface Transaction {
  readonly id: Uint8Array;
  /** As it travels. */
  readonly bytes: Uint8Array;
  readonly chain: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly nonce: bigint;
  readonly validUntilMs: bigint;
  readonly body: Body;
  readonly signature: Uint8Array;
}

/** What is asked for, before it is signed. */
export type Request = Pick<Transaction, 'chain' | 'nonce' | 'validUntilMs' | 'body'>;

const VERSION = 1n;
const PLACES = 7;
/** Header of a byte string of 64 bytes, and the bytes. */
const SIGNATURE_PLACE_BYTES = 2 + 64;
const ARRAY_OF_SIX = 0x86;

const domain = (name: string): Uint8Array => utf8(`declai/ledger/${name}\0`);
const TRANSACTION_DOMAIN = domain('transaction/1');
const APPROVAL_DOMAIN = domain('approval/1');
const POSSESSION_DOMAIN = domain('possession/1');

/** Any bytes as a transaction, or what is wrong with them: `wire/malformed`. Never throws. */
export function readTransaction(bytes: Uint8Array, sha256: Sha256): Transaction | FaultError {
  try {
    return decoded(bytes, sha256);
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

function decoded(bytes: Uint8Array, sha256: Sha256): Transaction {
  if (bytes.length > MINT_BYTES_MAX) throw malformed(`more than ${MINT_BYTES_MAX} bytes`);
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== PLACES) throw malformed(`not ${PLACES} places`);
  const places = value as unknown[];
  integer(VERSION, VERSION).read(places[0]);
  const transaction = {
    bytes,
    chain: hash.read(places[1]),
    publicKey: key.read(places[2]),
    nonce: u64.read(places[3]),
    validUntilMs: instant.read(places[4]),
    body: readBody(places[5]),
    signature: signature.read(places[6]),
  };
  if (transaction.body.type !== 'mint' && bytes.length > TRANSACTION_BYTES_MAX) {
    throw malformed(`more than ${TRANSACTION_BYTES_MAX} bytes`);
  }
  return { id: sha256(unsignedBytes(bytes)), ...transaction };
}

/** A transaction's bytes without the place of the signature, as an array of six. */
function unsignedBytes(bytes: Uint8Array): Uint8Array {
  // Copied: a Buffer's `slice` would be the transaction itself.
  const unsigned = Uint8Array.from(bytes.subarray(0, -SIGNATURE_PLACE_BYTES));
  unsigned[0] = ARRAY_OF_SIX;
  return unsigned;
}

/** What the signature is over. */
export const signedBytes = ({ bytes }: Transaction): Uint8Array =>
  concatBytes([TRANSACTION_DOMAIN, unsignedBytes(bytes)]);

/** The bytes of a signed transaction. */
export function signTransaction(request: Request, signer: Signer): Uint8Array {
  const { chain, nonce, validUntilMs, body } = request;
  const places: Cbor[] = [VERSION, chain, signer.publicKey, nonce, validUntilMs, writeBody(body)];
  const signed = signer.sign(concatBytes([TRANSACTION_DOMAIN, encodeCbor(places)]));
  return encodeCbor([...places, signed]);
}

/** What an operator signs to approve a change: the chain and the body without its approvals. */
export const approvalBytes = (chain: Uint8Array, change: Change): Uint8Array =>
  concatBytes([APPROVAL_DOMAIN, encodeCbor([chain, changePlaces(change)])]);

/** The body without its approvals, which come last. */
export const changePlaces = (change: Change): readonly Cbor[] => writeBody(change).slice(0, -1);

/** What a vote key signs to show that somebody has its secret. */
export const possessionBytes = (
  chain: Uint8Array,
  of: { readonly epoch: bigint; readonly operatorKey: Uint8Array; readonly voteKey: Uint8Array },
): Uint8Array =>
  concatBytes([POSSESSION_DOMAIN, encodeCbor([chain, of.epoch, of.operatorKey, of.voteKey])]);

/** One signature that a transaction carries. */
export interface Signed {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** All signatures of a transaction: its own, approvals, the new vote key's. Whose they are is execution's. */
export function signaturesOf(transaction: Transaction): Signed[] {
  const { publicKey, chain, body } = transaction;
  const own = { publicKey, message: signedBytes(transaction), signature: transaction.signature };
  if (!isChange(body)) return [own];
  const message = approvalBytes(chain, body);
  const approvals = body.approvals.map((each) => ({
    publicKey: each.operatorKey,
    message,
    signature: each.signature,
  }));
  if (!('possession' in body)) return [own, ...approvals];
  const possession = {
    publicKey: body.voteKey,
    message: possessionBytes(chain, body),
    signature: body.possession,
  };
  return [own, ...approvals, possession];
}
