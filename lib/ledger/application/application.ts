import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import {
  batchDigest,
  checkBatch,
  checkTransaction,
  type BatchRules,
} from '#lib/ledger/account/codec/batch.ts';
import { readTransaction, type Transaction } from '#lib/ledger/account/codec/transaction.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { membershipBytes, readMembership } from '#lib/ledger/account/epochs.ts';
import { execute } from '#lib/ledger/account/execute.ts';
import { nextDueMs } from '#lib/ledger/account/indexes.ts';
import type { Records } from '#lib/ledger/account/records/kinds.ts';
import { restoreFrom, restorePart, type RestoredPart } from '#lib/ledger/account/snapshot.ts';
import { constitutionOf, type LedgerState } from '#lib/ledger/account/state.ts';
import { slabRoom } from '#lib/ledger/crypto/trie/build.ts';
import type {
  Application,
  AppState,
  CheckedBatch,
  Constitution,
  Door,
  Member,
} from '#lib/ledger/pbft/types.ts';
import { writeFitting } from './batch.ts';
import { judgeAtDoor, type DoorVerdict } from './door.ts';
import { StateParts, unpackParts, type Cut } from './parts.ts';
import { remembered } from './remembered.ts';

/** The application's states are the account machine's. */
export const ledgerState = (state: AppState): LedgerState => state as LedgerState;

/** A batch with its transactions decoded, so that execution reads no bytes again. */
interface LedgerBatch extends CheckedBatch {
  readonly transactions: readonly Transaction[];
}

export interface LedgerApplication extends Application {
  /** A transaction's bytes decoded, or what is wrong with them: no signature is verified. */
  readonly read: (bytes: Uint8Array) => Transaction | FaultError;
  /** What the door says of what `read` gave. */
  readonly judge: (
    state: LedgerState,
    transaction: Transaction | FaultError,
    door: Door,
  ) => DoorVerdict;
}

/**
 * What the replicas order: the ledger of accounts. Pure, total and the same to the byte on every replica;
 * transactions are remembered, so that each is decoded once and each signature verified once.
 */
export function ledgerApplication(rules: BatchRules & { readonly cut?: Cut }): LedgerApplication {
  const { sha256 } = rules;
  const parts = new StateParts(sha256, rules.cut);
  const room = slabRoom();
  const { read, check } = remembered(
    (bytes) => readTransaction(bytes, sha256),
    (transaction) => checkTransaction(transaction.bytes, rules, () => transaction),
  );
  const judge = onceAdmitted((state, transaction, door) =>
    judgeAtDoor(state, transaction, { ...door, sha256, chain: rules.chain }),
  );
  return {
    read,
    judge,
    checkRequest(bytes) {
      const transaction = check(bytes);
      return isFault(transaction) ? null : toHex(transaction.id);
    },
    checkBatch(bytes): LedgerBatch | null {
      const checked = checkBatch(bytes, rules, check);
      if (isFault(checked)) return null;
      const { batch, transactions } = checked;
      return {
        bytes,
        digest: batchDigest(batch, sha256),
        timeMs: Number(batch.timeMs),
        requests: batch.transactions,
        ids: transactions.map(({ id }) => toHex(id)),
        transactions,
      };
    },
    writeBatch: (timeMs, requests) => writeFitting(timeMs, requests, check),
    admits: (state, request, door) =>
      judge(ledgerState(state), read(request), door).type === 'admitted',
    execute(state, { sequence, batch }) {
      const { timeMs } = batch;
      const { transactions } = batch as LedgerBatch;
      const block = { sequence: BigInt(sequence), timeMs: BigInt(timeMs), transactions };
      const execution = execute(ledgerState(state), block, sha256);
      return {
        state: execution.state,
        results: execution.leaves,
        resultsRoot: execution.roots.resultsRoot,
      };
    },
    stateRoot: (state) => ledgerState(state).trie.rootHash,
    constitution: (state) => constitutionFor(ledgerState(state), rules),
    dueAt(state) {
      const dueMs = nextDueMs(ledgerState(state).indexes);
      return dueMs === null ? null : Number(dueMs);
    },
    parts: (state) => parts.of(ledgerState(state).trie),
    readPart(bytes) {
      try {
        return restorePart(unpackParts([bytes]), sha256, room);
      } catch (error) {
        if (isFault(error, 'wire/malformed')) return null;
        throw error;
      }
    },
    restore: (read, stateRoot) => restoreFrom(read as readonly RestoredPart[], stateRoot, sha256),
    readMembership(bytes) {
      const read = readMembership(bytes);
      return read && { epoch: Number(read.epoch), members: read.replicas.map(memberOf) };
    },
  };
}

type JudgeAtDoor = LedgerApplication['judge'];

/**
 * A port asks, and then the core: what was admitted last is admitted, as long as the state is the same.
 * A later clock only lets more in.
 */
function onceAdmitted(judge: JudgeAtDoor): JudgeAtDoor {
  let last: { readonly of: Parameters<JudgeAtDoor>; readonly verdict: DoorVerdict } | null = null;
  return (state, transaction, door) => {
    if (last !== null) {
      const [sameState, same, before] = last.of;
      const isSame = sameState === state && same === transaction;
      const isNoStricter = before.isRelayed === door.isRelayed && before.wallMs <= door.wallMs;
      if (isSame && isNoStricter) return last.verdict;
    }
    const verdict = judge(state, transaction, door);
    if (verdict.type === 'admitted') last = { of: [state, transaction, door], verdict };
    return verdict;
  };
}

const memberOf = (replica: {
  readonly operatorKey: Uint8Array;
  readonly voteKey: Uint8Array;
}): Member => ({ id: toHex(replica.operatorKey), voteKey: replica.voteKey });

/** By the record that it is made from, which states carry on while it stays. */
const constitutions = new WeakMap<object, Constitution>();

function constitutionFor(state: LedgerState, { sha256 }: BatchRules): Constitution {
  const record = constitutionOf(state, sha256);
  const known = constitutions.get(record) ?? constitutionFrom(record);
  constitutions.set(record, known);
  return known;
}

function constitutionFrom(constitution: Records['constitution']): Constitution {
  const { epoch, replicas, pending, parameters } = constitution;
  const ends = pending.map(({ effectAfter }) => Number(effectAfter));
  return {
    epoch: Number(epoch),
    members: replicas.map(memberOf),
    parameters: {
      timeoutMs: Number(parameters.viewTimeoutMs),
      checkpointInterval: Number(parameters.checkpointInterval),
      logWindow: Number(parameters.logWindow),
      window: Number(parameters.window),
      batchMax: Number(parameters.batchMax),
    },
    membership: membershipBytes(constitution),
    endsAfter: ends.length === 0 ? null : Math.min(...ends),
  };
}
