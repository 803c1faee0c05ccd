import { fromHex, toHex, utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import {
  isChange,
  readBody,
  writeBody,
  type Body,
  type Change,
} from '#lib/ledger/account/codec/bodies.ts';
import { decodeCbor, encodeCbor } from '#lib/ledger/account/codec/cbor.ts';
import { approvalBytes } from '#lib/ledger/account/codec/transaction.ts';
import { compareBytes } from '#lib/ledger/crypto/sha256.ts';

/**
 * A change of the ledger itself on its way from operator to operator: JSON with a `type` and the fields of
 * its body, keys and signatures in hex, numbers as such or as decimals, and `approvals` as they come in.
 */
export type ChangeFile = Readonly<Record<string, unknown>>;

const invalid = (what: string): FaultError => new FaultError('request/invalid', what);

/** A file as it was read. */
export interface ChangeText {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** @throws FaultError request/invalid */
export function readChangeFile({ path, bytes }: ChangeText): ChangeFile {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw invalid(`${path} is neither a signed transaction nor the JSON of a change`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${path}: a change is an object with a type and the fields of its body`);
  }
  return value as ChangeFile;
}

/** The change, with its approvals; one that has none yet has a place for the first. @throws FaultError request/invalid */
export function changeOf(file: ChangeFile): Change {
  const given = fieldsOf(file);
  const approvals = given['approvals'];
  const isBare = !Array.isArray(approvals) || approvals.length === 0;
  const fields = { ...given, ...(isBare ? { approvals: [NO_APPROVAL] } : {}) };
  let body: Body;
  try {
    // Written and read again: bounds and lengths are those of the ledger.
    body = readBody(decodeCbor(encodeCbor(writeBody(fields as unknown as Body))));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalid(`not a change that the ledger knows: ${why}`);
  }
  if (!isChange(body)) throw invalid(`${body.type} is no change of the ledger itself`);
  return body;
}

/** The file with one approval more. @throws FaultError request/invalid */
export function approved(file: ChangeFile, chain: Uint8Array, signer: Signer): ChangeFile {
  const bare = changeOf({ ...file, approvals: [] });
  const signature = signer.sign(approvalBytes(chain, bare));
  const given = Array.isArray(file['approvals']) ? changeOf(file).approvals : [];
  const others = given.filter((each) => compareBytes(each.operatorKey, signer.publicKey) !== 0);
  const all = [...others, { operatorKey: signer.publicKey, signature }]
    .sort((a, b) => compareBytes(a.operatorKey, b.operatorKey))
    .map((each) => ({ operatorKey: toHex(each.operatorKey), signature: toHex(each.signature) }));
  return { ...file, approvals: all };
}

const NO_APPROVAL = { operatorKey: new Uint8Array(32), signature: new Uint8Array(64) };

const fieldsOf = (file: ChangeFile): Record<string, unknown> =>
  Object.fromEntries(Object.entries(file).map(([name, value]) => [name, fieldOf(name, value)]));

function fieldOf(name: string, value: unknown): unknown {
  if (name === 'type') return value;
  if (name === 'address' && typeof value === 'string') return utf8(value);
  if (Array.isArray(value)) {
    return value.map((each: unknown) =>
      typeof each === 'object' && each !== null ? fieldsOf(each as ChangeFile) : each,
    );
  }
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value !== 'string') return value;
  const isBytes = value.length === 64 || value.length === 128;
  const bytes = isBytes ? fromHex(value) : null;
  if (bytes !== null) return bytes;
  return /^\d{1,20}$/.test(value) ? BigInt(value) : value;
}
