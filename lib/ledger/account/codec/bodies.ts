import { REPLICAS_MAX } from '#lib/ledger/pbft/quorum.ts';
import { ADDRESS_BYTES_MAX, SHARES_MAX } from '../limits.ts';
import { compareBytes } from '#lib/ledger/crypto/sha256.ts';
import { malformed, type Cbor } from './cbor.ts';
import {
  amount,
  amountOrZero,
  bytesOf,
  hash,
  integer,
  key,
  listOf,
  optionalHash,
  signature,
  tuple,
  u32,
  u64,
  type Field,
  type ValueOf,
} from './fields.ts';

/** What transactions ask for. Each is an array whose first place is its number, the rest as named here. */

/** 16 bytes: 6 of the instant it was made at (ms, big-endian), 10 of chance, as in a UUIDv7. */
const holdId = bytesOf(16);

/** Bits of what a key may do for an account. */
export const SCOPE_SPEND = 1;
export const SCOPE_DELEGATE = 2;
export const SCOPE_ROTATE = 4;
export const SCOPE_ALL = SCOPE_SPEND | SCOPE_DELEGATE | SCOPE_ROTATE;
const scope = integer(1n, BigInt(SCOPE_ALL));

/** A worker (its account's first key) and the layer-FLOPs it did, counted by the gateway. */
const share = tuple({ worker: key, flops: integer(1n, 2n ** 63n) });

/** Why credit is due. A tagged union, so that proofs of inference come in by a tag of their own. */
const gatewayAttestation = tuple({
  tag: integer(0n, 0n),
  manifest: hash,
  firstPosition: u32,
  tokens: u32,
});

/** What q operators signed, by ascending key. */
const approvals: Field<readonly ValueOf<typeof approvalFields>[]> = {
  read: (value) => {
    const list = listOf(tuple(approvalFields), 1, REPLICAS_MAX).read(value);
    list.forEach(({ operatorKey }, i) => {
      const next = list[i + 1];
      if (next && compareBytes(operatorKey, next.operatorKey) >= 0) throw malformed('not in order');
    });
    return list;
  },
  write: (value) => value.map((each) => tuple(approvalFields).write(each)),
};
const approvalFields = { operatorKey: key, signature };

const address = bytesOf(1, ADDRESS_BYTES_MAX);

/** What an operator may change about the ledger itself; the last five are the replicas'. */
export const parameterFields = {
  /** Of each capture, in millionths, rounded up: what makes paying oneself lose. */
  burnPpm: integer(0n, 1_000_000n),
  /** The most that MINT pays for 10¹² FLOPs. */
  microPerTeraflop: amount,
  holdMicroMin: amount,
  /** Credit earned in 28 days from which an account has priority. */
  priorityMicro: amount,
  checkpointInterval: integer(1n, 65_536n),
  window: integer(1n, 1_024n),
  logWindow: integer(2n, 131_072n),
  viewTimeoutMs: integer(10n, 600_000n),
  batchMax: integer(1n, 1_024n),
} as const;
export type Parameters = ValueOf<typeof parameterFields>;

/** A replica: who may change it, what it votes with, what it is reached by. */
export const replicaFields = {
  operatorKey: key,
  voteKey: key,
  transportKey: key,
  address,
} as const;
export type Replica = ValueOf<typeof replicaFields>;

const credits = {
  grant: { number: 1, fields: { publicKey: key, amountMicro: amount, expiresAtMs: u64 } },
  hold: {
    number: 2,
    fields: {
      holdId,
      account: hash,
      gateway: key,
      amountMicro: amount,
      expiresAtMs: u64,
      cluster: optionalHash,
    },
  },
  capture: { number: 3, fields: { holdId, amountMicro: amount } },
  void: { number: 4, fields: { holdId } },
  mint: {
    number: 5,
    fields: {
      holdId,
      segment: u32,
      chunk: u32,
      /** From the pot, and beside it from the treasury on the gateway's subsidy. */
      potMicro: amountOrZero,
      subsidyMicro: amountOrZero,
      shares: listOf(share, 1, SHARES_MAX),
      proof: gatewayAttestation,
    },
  },
  burn: { number: 6, fields: { account: hash, amountMicro: amount } },
  delegate: {
    number: 7,
    fields: {
      account: hash,
      publicKey: key,
      scope,
      dayLimitMicro: amountOrZero,
      holdMaxMicro: amountOrZero,
      expiresAtMs: u64,
    },
  },
  revoke: { number: 8, fields: { account: hash, publicKey: key } },
  'fund-cluster': { number: 9, fields: { account: hash, cluster: hash, amountMicro: amount } },
  'cluster-member': {
    number: 10,
    fields: { account: hash, cluster: hash, member: hash, dayLimitMicro: amountOrZero },
  },
} as const;

/** Changes of the ledger itself; each names the epoch in which it may be executed. */
const changes = {
  'add-replica': {
    number: 16,
    fields: { epoch: u64, ...replicaFields, possession: signature, approvals },
  },
  'remove-replica': { number: 17, fields: { epoch: u64, operatorKey: key, approvals } },
  'rotate-replica': {
    number: 18,
    fields: {
      epoch: u64,
      operatorKey: key,
      voteKey: key,
      transportKey: key,
      possession: signature,
      approvals,
    },
  },
  'register-gateway': {
    number: 19,
    fields: {
      epoch: u64,
      publicKey: key,
      grantsPerDay: u32,
      grantMicroMax: amount,
      subsidyPerDayMicro: amountOrZero,
      approvals,
    },
  },
  'revoke-gateway': {
    number: 20,
    /** Unmatured credit that it attested on this ledger day or later returns to the treasury. */
    fields: { epoch: u64, publicKey: key, sinceDay: u32, approvals },
  },
  'set-parameters': { number: 21, fields: { epoch: u64, ...parameterFields, approvals } },
} as const;

const bodies = { ...credits, ...changes } as const;

export type BodyType = keyof typeof bodies;
export type ChangeType = keyof typeof changes;
export type BodyOf<Type extends BodyType> = { readonly type: Type } & ValueOf<
  (typeof bodies)[Type]['fields']
>;
export type Body = { [Type in BodyType]: BodyOf<Type> }[BodyType];
export type Change = { [Type in ChangeType]: BodyOf<Type> }[ChangeType];

const TYPES = Object.keys(bodies) as BodyType[];
const isChangeType = (type: BodyType): type is ChangeType => type in changes;
export const isChange = (body: Body): body is Change => isChangeType(body.type);

/** @throws FaultError wire/malformed */
export function readBody(value: unknown): Body {
  if (!Array.isArray(value)) throw malformed('a body is an array');
  const [number, ...places] = value as unknown[];
  const type = TYPES.find((each) => bodies[each].number === number);
  if (type === undefined) throw malformed('a type of body that this version does not know');
  const fields: Readonly<Record<string, Field<unknown>>> = bodies[type].fields;
  return { type, ...tuple(fields).read(places) } as unknown as Body;
}

export function writeBody(body: Body): readonly Cbor[] {
  const { number, fields } = bodies[body.type];
  const all: Readonly<Record<string, Field<unknown>>> = fields;
  return [number, ...tuple(all).write(body)];
}
