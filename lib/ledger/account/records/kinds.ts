import { concatBytes } from '#lib/kernel/bytes.ts';
import { FaultError, isFault, toFault } from '#lib/kernel/errors.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { CLOSED_HOLD_MS, DAY_MS, IDLE_DAYS, MATURING_DAYS, POT_MS } from '../limits.ts';
import { Reader, Writer, type Place } from './layout.ts';
import * as layouts from './records.ts';
import type {
  Account,
  Cluster,
  Constitution,
  Gateway,
  Hold,
  Maturing,
  Member,
  Minted,
  NoncePage,
  Nonces,
  Pot,
  Totals,
  VoteKey,
} from './records.ts';

export interface Records {
  readonly totals: Totals;
  readonly constitution: Constitution;
  readonly account: Account;
  readonly cluster: Cluster;
  readonly member: Member;
  readonly hold: Hold;
  readonly pot: Pot;
  readonly minted: Minted;
  readonly maturing: Maturing;
  readonly gateway: Gateway;
  readonly nonces: Nonces;
  readonly 'nonce-page': NoncePage;
  readonly 'vote-key': VoteKey;
}

export type Kind = keyof Records;

interface KindOf<R> {
  /** First byte of the record, and of what its key is the hash of. */
  readonly number: number;
  readonly layout: Place<R>;
  readonly id: (record: R) => Uint8Array;
  /** The id stands first in the layout, and is so long. */
  readonly idBytes: number;
  /** When the sweep has to look at it; null: never by time. */
  readonly dueMs: (record: R) => bigint | null;
  /** Credit that is in this record and in no other. */
  readonly micro: (record: R) => bigint;
}

const NOTHING = new Uint8Array(0);
const never = (): null => null;
const none = (): bigint => 0n;

/** After the last day of which `activeDay` plus 90 days is idle. */
const idleAtMs = (activeDay: number): bigint => BigInt(activeDay + IDLE_DAYS + 1) * DAY_MS;

export const u32Bytes = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
};

/** A page of a key's nonces, by the nonce that it begins at. */
export function noncePageId(publicKey: Uint8Array, from: bigint): Uint8Array {
  const tail = new Uint8Array(8);
  new DataView(tail.buffer).setBigUint64(0, from);
  return concatBytes([publicKey, tail]);
}

const KINDS: { readonly [K in Kind]: KindOf<Records[K]> } = {
  totals: {
    number: 1,
    layout: layouts.totals,
    id: () => NOTHING,
    idBytes: 0,
    dueMs: never,
    micro: none,
  },
  constitution: {
    number: 2,
    layout: layouts.constitution,
    id: () => NOTHING,
    idBytes: 0,
    dueMs: never,
    micro: none,
  },
  account: {
    number: 3,
    layout: layouts.account,
    id: ({ id }) => id,
    idBytes: 32,
    dueMs: (record) =>
      record.starterMicro > 0n
        ? record.starterExpiresAtMs
        : isEmptyAccount(record)
          ? idleAtMs(record.activeDay)
          : null,
    micro: ({ starterMicro, earnedMicro }) => starterMicro + earnedMicro,
  },
  cluster: {
    number: 4,
    layout: layouts.cluster,
    id: ({ id }) => id,
    idBytes: 32,
    dueMs: (record) => (isEmptyCluster(record) ? idleAtMs(record.activeDay) : null),
    micro: ({ micro }) => micro,
  },
  member: {
    number: 5,
    layout: layouts.member,
    id: ({ cluster, account }) => concatBytes([cluster, account]),
    idBytes: 64,
    dueMs: ({ activeDay }) => idleAtMs(activeDay),
    micro: none,
  },
  hold: {
    number: 6,
    layout: layouts.hold,
    id: ({ id }) => id,
    idBytes: 16,
    dueMs: ({ status, expiresAtMs, closedAtMs }) =>
      status === layouts.HOLD_OPEN
        ? expiresAtMs
        : closedAtMs + (status === layouts.HOLD_CAPTURED ? POT_MS : CLOSED_HOLD_MS),
    micro: ({ status, amountMicro }) => (status === layouts.HOLD_OPEN ? amountMicro : 0n),
  },
  pot: {
    number: 7,
    layout: layouts.pot,
    id: ({ id }) => id,
    idBytes: 16,
    dueMs: ({ closesAtMs }) => closesAtMs,
    micro: ({ micro }) => micro,
  },
  minted: {
    number: 8,
    layout: layouts.minted,
    id: ({ holdId, segment, chunk, worker }) =>
      concatBytes([holdId, u32Bytes(segment), u32Bytes(chunk), worker]),
    idBytes: 56,
    dueMs: ({ closesAtMs }) => closesAtMs,
    micro: none,
  },
  maturing: {
    number: 9,
    layout: layouts.maturing,
    id: ({ account, gateway, day }) => concatBytes([account, gateway, u32Bytes(day)]),
    idBytes: 68,
    dueMs: ({ day }) => BigInt(day + MATURING_DAYS) * DAY_MS,
    micro: ({ micro }) => micro,
  },
  gateway: {
    number: 10,
    layout: layouts.gateway,
    id: ({ publicKey }) => publicKey,
    idBytes: 32,
    dueMs: never,
    micro: none,
  },
  nonces: {
    number: 11,
    layout: layouts.nonces,
    id: ({ publicKey }) => publicKey,
    idBytes: 32,
    dueMs: ({ keepUntilMs }) => keepUntilMs,
    micro: none,
  },
  'nonce-page': {
    number: 13,
    layout: layouts.noncePage,
    id: ({ publicKey, from }) => noncePageId(publicKey, from),
    idBytes: 40,
    dueMs: never,
    micro: none,
  },
  'vote-key': {
    number: 12,
    layout: layouts.voteKey,
    id: ({ publicKey }) => publicKey,
    idBytes: 32,
    dueMs: never,
    micro: none,
  },
};

/** Nothing in it and nothing that could come back to it. */
export const isEmptyAccount = (record: Account): boolean =>
  record.starterMicro + record.earnedMicro + record.maturingMicro + record.heldMicro === 0n &&
  record.openHolds === 0 &&
  record.clusters === 0;

export const isEmptyCluster = (record: Cluster): boolean =>
  record.micro + record.heldMicro === 0n && record.openHolds === 0 && record.members === 0;

const BY_NUMBER = new Map<number, Kind>(
  (Object.keys(KINDS) as Kind[]).map((kind) => [KINDS[kind].number, kind]),
);

/** The key of the trie under which a record stands: SHA-256(kind ‖ id). */
export const recordKey = (kind: Kind, id: Uint8Array, sha256: Sha256): Uint8Array =>
  sha256(concatBytes([Uint8Array.of(KINDS[kind].number), id]));

/** The same from the record's value, which begins with its kind and its id. */
export const keyOfValue = (kind: Kind, value: Uint8Array, sha256: Sha256): Uint8Array =>
  sha256(value.subarray(0, 1 + KINDS[kind].idBytes));

/** A record of any kind, with its kind. */
export type AnyRecord = { [K in Kind]: { readonly kind: K; readonly record: Records[K] } }[Kind];

export const idOf = <K extends Kind>(kind: K, record: Records[K]): Uint8Array =>
  KINDS[kind].id(record);
export const dueMsOf = <K extends Kind>(kind: K, record: Records[K]): bigint | null =>
  KINDS[kind].dueMs(record);
export const microOf = <K extends Kind>(kind: K, record: Records[K]): bigint =>
  KINDS[kind].micro(record);

/** The value in the trie: the kind's number, then the record's places. */
export function writeRecord<K extends Kind>(kind: K, record: Records[K]): Uint8Array {
  const out = new Writer();
  out.bytes(Uint8Array.of(KINDS[kind].number));
  KINDS[kind].layout.write(out, record);
  return out.done();
}

/**
 * A value of the trie as a record, or `wire/malformed`: snapshots and proofs come from strangers.
 * Never throws.
 */
export function readRecord(value: Uint8Array): AnyRecord | FaultError {
  const kind = BY_NUMBER.get(value[0] ?? 0);
  if (kind === undefined) return new FaultError('wire/malformed', 'a record of no known kind');
  try {
    const from = new Reader(value.subarray(1));
    const record = KINDS[kind].layout.read(from);
    from.end();
    return { kind, record } as AnyRecord;
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

/** The credit in a value that our own code wrote; of a kind that holds none it is not read. */
export function microInOwn(value: Uint8Array): bigint {
  const kind = BY_NUMBER.get(value[0] ?? 0);
  if (kind !== undefined && KINDS[kind].micro === none) return 0n;
  const read = readRecord(value);
  if (isFault(read)) throw read;
  return microOf(read.kind, read.record as never);
}
