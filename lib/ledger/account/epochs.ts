import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { REPLICAS_MAX, REPLICAS_MIN } from '#lib/ledger/pbft/quorum.ts';
import { decodeCbor, encodeCbor, type Cbor } from './codec/cbor.ts';
import { readBody, type Change } from './codec/bodies.ts';
import { changePlaces } from './codec/transaction.ts';
import type { Draft } from './draft.ts';
import { Reader, Writer, blob, hash, long, record } from './records/layout.ts';
import { NEVER, type Constitution, type Gateway } from './records/records.ts';

/**
 * Changes of the ledger itself wait for the end of their epoch: executed at s, they take effect after c,
 * the first multiple of K that is at least s + W (A12).
 */

/** c for a change executed at `sequence`. */
export function lastOfEpoch(sequence: bigint, of: Constitution['parameters']): bigint {
  const least = sequence + of.window;
  const rest = least % of.checkpointInterval;
  return rest === 0n ? least : least + of.checkpointInterval - rest;
}

type Replicas = Constitution['replicas'];

/** The replicas once the change has its effect. */
export function withReplicas(replicas: Replicas, change: Change): Replicas {
  switch (change.type) {
    case 'add-replica': {
      const { operatorKey, voteKey, transportKey, address } = change;
      return [...replicas, { operatorKey, voteKey, transportKey, address }];
    }
    case 'remove-replica':
      return replicas.filter(({ operatorKey }) => !bytesEqual(operatorKey, change.operatorKey));
    case 'rotate-replica': {
      const { voteKey, transportKey } = change;
      return replicas.map((each) =>
        bytesEqual(each.operatorKey, change.operatorKey)
          ? { ...each, voteKey, transportKey }
          : each,
      );
    }
    default:
      return replicas;
  }
}

/** A change as it waits: its body with no approvals. */
export const pendingBytes = (change: Change): Uint8Array => encodeCbor(changePlaces(change));

export function readPending(bytes: Uint8Array): Change {
  const places = decodeCbor(bytes) as Cbor[];
  return readBody([...places, PLACEHOLDER]) as Change;
}

/** A body reads with at least one approval; what waits was approved when it was executed. */
const PLACEHOLDER: Cbor = [[new Uint8Array(32), new Uint8Array(64)]];

/** At the end of a block: what waited for it takes effect, and a new epoch begins with the next one. */
export function endBlock(draft: Draft): void {
  const { constitution, sequence } = draft;
  const ripe = constitution.pending.filter(({ effectAfter }) => effectAfter <= sequence);
  if (ripe.length === 0) return;
  const changes = ripe.map(({ change }) => readPending(change));
  const pending = constitution.pending.filter(({ effectAfter }) => effectAfter > sequence);
  const replicas = changes.reduce(withReplicas, constitution.replicas);
  const parameters = changes.reduce(
    (now, change) => (change.type === 'set-parameters' ? parametersOf(change) : now),
    constitution.parameters,
  );
  const epoch = constitution.epoch + 1n;
  draft.put('constitution', { ...constitution, epoch, replicas, pending, parameters });
  for (const change of changes) changeGateway(draft, change);
}

function parametersOf(change: Change & { type: 'set-parameters' }): Constitution['parameters'] {
  const { burnPpm, microPerTeraflop, holdMicroMin, priorityMicro } = change;
  const { checkpointInterval, window, logWindow, viewTimeoutMs, batchMax } = change;
  return {
    ...{ burnPpm, microPerTeraflop, holdMicroMin, priorityMicro },
    ...{ checkpointInterval, window, logWindow, viewTimeoutMs, batchMax },
  };
}

function changeGateway(draft: Draft, change: Change): void {
  if (change.type === 'register-gateway') {
    const known = draft.get('gateway', change.publicKey);
    draft.put('gateway', { ...(known ?? newGateway(change.publicKey)), ...termsOf(change) });
  }
  if (change.type === 'revoke-gateway') {
    const known = draft.get('gateway', change.publicKey);
    if (known) draft.put('gateway', { ...known, revokedSinceDay: Number(change.sinceDay) });
  }
}

export const newGateway = (publicKey: Uint8Array): Gateway => ({
  publicKey,
  grantsPerDay: 0,
  grantMicroMax: 0n,
  subsidyPerDayMicro: 0n,
  usedDay: 0,
  usedGrants: 0,
  usedSubsidyMicro: 0n,
  revokedSinceDay: NEVER,
});

const termsOf = (change: Change & { type: 'register-gateway' }) => ({
  grantsPerDay: Number(change.grantsPerDay),
  grantMicroMax: change.grantMicroMax,
  subsidyPerDayMicro: change.subsidyPerDayMicro,
});

const replicaPlaces = record({
  operatorKey: hash,
  voteKey: hash,
  transportKey: hash,
  address: blob,
});

/** Who votes on the next block, as bytes: the epoch, then each replica. A header holds their hash. */
export function membershipBytes({ epoch, replicas }: Membership): Uint8Array {
  const out = new Writer();
  long.write(out, epoch);
  for (const replica of replicas) replicaPlaces.write(out, replica);
  return out.done();
}

/** Who votes in an epoch, how each is reached, and whose word changes it. */
export type Membership = Pick<Constitution, 'epoch' | 'replicas'>;

/** A member list from anybody: the header's hash says whether it is the one. Null: no such list. */
export function readMembership(bytes: Uint8Array): Membership | null {
  const from = new Reader(bytes);
  try {
    const epoch = long.read(from);
    const replicas: Replicas[number][] = [];
    while (from.left > 0) {
      if (replicas.length === REPLICAS_MAX) return null;
      replicas.push(replicaPlaces.read(from));
    }
    return replicas.length >= REPLICAS_MIN ? { epoch, replicas } : null;
  } catch {
    return null;
  }
}

/** What a header says of the replicas that vote on the next block. */
export const membersHash = (constitution: Membership, sha256: Sha256): Uint8Array =>
  sha256(membershipBytes(constitution));
