import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { quorumOf, REPLICAS_MAX, REPLICAS_MIN } from '#lib/ledger/pbft/quorum.ts';
import type { Change } from '../codec/bodies.ts';
import type { ResultCode } from '../codes.ts';
import type { Draft } from '../draft.ts';
import { lastOfEpoch, pendingBytes, readPending, withReplicas } from '../epochs.ts';
import { PENDING_MAX } from '../limits.ts';
import { NEVER, type Constitution } from '../records/records.ts';

/**
 * A change of the ledger itself (A12): executed in the epoch it names, on the word of a quorum of
 * operators, and then it waits for the epoch's end. Their signatures were checked with the batch; whose
 * they are is checked here.
 */
export function change(draft: Draft, body: Change, sender: Uint8Array): ResultCode {
  const { constitution, sequence } = draft;
  const refused = approvals(constitution, body, sender) ?? conflicts(draft, body);
  if (refused) return refused;
  const effectAfter = lastOfEpoch(sequence, constitution.parameters);
  const pending = [...constitution.pending, { effectAfter, change: pendingBytes(body) }];
  draft.put('constitution', { ...constitution, pending });
  if ('voteKey' in body) draft.put('vote-key', { publicKey: body.voteKey });
  return 'ok';
}

function approvals(
  { epoch, replicas }: Constitution,
  body: Change,
  sender: Uint8Array,
): ResultCode | null {
  const isOperator = (key: Uint8Array) =>
    replicas.some(({ operatorKey }) => bytesEqual(operatorKey, key));
  const approving = body.approvals.filter(({ operatorKey }) => isOperator(operatorKey));
  if (!isOperator(sender) || approving.length < quorumOf(replicas.length)) {
    return 'ledger/not-authorised';
  }
  // An approval is good in its own epoch only: nobody replays it when the replicas have changed.
  return body.epoch === epoch ? null : 'ledger/expired';
}

function conflicts(draft: Draft, body: Change): ResultCode | null {
  const { pending, replicas } = draft.constitution;
  const bytes = pendingBytes(body);
  if (pending.some((each) => bytesEqual(each.change, bytes))) return 'ledger/id-conflict';
  if (pending.length >= PENDING_MAX) return 'ledger/over-limit';
  const coming = pending.map((each) => readPending(each.change)).reduce(withReplicas, replicas);
  switch (body.type) {
    case 'add-replica':
      return keysTaken(draft, coming, body) ?? sizeOf(withReplicas(coming, body));
    case 'remove-replica':
      return unknownReplica(coming, body.operatorKey) ?? sizeOf(withReplicas(coming, body));
    case 'rotate-replica': {
      const others = coming.filter(({ operatorKey }) => !bytesEqual(operatorKey, body.operatorKey));
      return unknownReplica(coming, body.operatorKey) ?? keysTaken(draft, others, body);
    }
    case 'register-gateway':
      return (draft.get('gateway', body.publicKey)?.revokedSinceDay ?? NEVER) === NEVER
        ? null
        : 'ledger/not-authorised';
    case 'revoke-gateway':
      return draft.get('gateway', body.publicKey) ? null : 'ledger/unknown-account';
    case 'set-parameters':
      return body.logWindow >= 2n * body.checkpointInterval && body.window <= body.logWindow
        ? null
        : 'ledger/over-limit';
  }
}

/** Below four nothing tolerates a fault. */
const sizeOf = ({ length }: Constitution['replicas']): ResultCode | null =>
  length >= REPLICAS_MIN && length <= REPLICAS_MAX ? null : 'ledger/over-limit';

const unknownReplica = (replicas: Constitution['replicas'], key: Uint8Array): ResultCode | null =>
  replicas.some(({ operatorKey }) => bytesEqual(operatorKey, key))
    ? null
    : 'ledger/unknown-account';

interface NewKeys {
  readonly operatorKey: Uint8Array;
  readonly voteKey: Uint8Array;
  readonly transportKey: Uint8Array;
}

/**
 * Keys differ from each other and from every replica's, and a vote key never was one before: a key that
 * lost its memory must not vote again.
 */
function keysTaken(
  draft: Draft,
  others: Constitution['replicas'],
  { operatorKey, voteKey, transportKey }: NewKeys,
): ResultCode | null {
  const own = [operatorKey, voteKey, transportKey];
  const taken = others.flatMap((each) => [each.operatorKey, each.voteKey, each.transportKey]);
  const twice = own.some((key, i) => own.some((other, j) => i < j && bytesEqual(key, other)));
  const clash = own.some((key) => taken.some((other) => bytesEqual(key, other)));
  const wasUsed = draft.get('vote-key', voteKey) !== null;
  return twice || clash || wasUsed ? 'ledger/id-conflict' : null;
}
