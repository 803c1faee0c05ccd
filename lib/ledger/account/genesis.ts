import { FaultError, toFault } from '#lib/kernel/errors.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { EMPTY_TRIE } from '#lib/ledger/crypto/trie/node.ts';
import { trieUpdate } from '#lib/ledger/crypto/trie/update.ts';
import { REPLICAS_MAX, REPLICAS_MIN } from '#lib/ledger/pbft/quorum.ts';
import { parameterFields, replicaFields, type Parameters, type Replica } from './codec/bodies.ts';
import { decodeCbor, encodeCbor, malformed } from './codec/cbor.ts';
import {
  amount,
  amountOrZero,
  bytesOf,
  instant,
  key,
  listOf,
  tuple,
  u32,
  type ValueOf,
} from './codec/fields.ts';
import { newGateway } from './epochs.ts';
import { NO_INDEXES } from './indexes.ts';
import { GATEWAYS_MAX, GENESIS_BYTES_MAX, NAME_BYTES_MAX, SUPPLY_MICRO } from './limits.ts';
import { recordKey, writeRecord, idOf, type AnyRecord } from './records/kinds.ts';
import type { LedgerState } from './state.ts';

/** What a chain begins with; its hash is the chain's name in everything that is signed. */
const genesisFields = {
  /** For people, and so that two networks with the same replicas differ. */
  name: bytesOf(1, NAME_BYTES_MAX),
  timeMs: instant,
  replicas: listOf(tuple(replicaFields), REPLICAS_MIN, REPLICAS_MAX),
  gateways: listOf(
    tuple({
      publicKey: key,
      grantsPerDay: u32,
      grantMicroMax: amount,
      subsidyPerDayMicro: amountOrZero,
    }),
    0,
    GATEWAYS_MAX,
  ),
  parameters: tuple(parameterFields),
};
export type Genesis = ValueOf<typeof genesisFields>;
export type { Parameters, Replica };

/** The genesis as a file holds it: its canonical CBOR, and nothing else. */
export const writeGenesis = (genesis: Genesis): Uint8Array =>
  encodeCbor(tuple(genesisFields).write(genesis));

/** A genesis file's bytes, or what is wrong with them: `wire/malformed`. Never throws. */
export function readGenesis(bytes: Uint8Array): Genesis | FaultError {
  try {
    if (bytes.length > GENESIS_BYTES_MAX) throw malformed('longer than any genesis');
    const genesis = tuple(genesisFields).read(decodeCbor(bytes));
    checkWindows(genesis.parameters);
    return genesis;
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

/** SHA-256 of the genesis file: the chain's id. */
export const chainOf = (genesis: Genesis, sha256: Sha256): Uint8Array =>
  sha256(writeGenesis(genesis));

/** @throws FaultError server/config */
function checkWindows({ logWindow, checkpointInterval }: Parameters): void {
  if (logWindow < 2n * checkpointInterval) {
    throw new FaultError('server/config', 'genesis: logWindow is at least 2 × checkpointInterval');
  }
}

/** Sequence 0, epoch 0: the treasury has everything. */
export function genesisState(genesis: Genesis, sha256: Sha256): LedgerState {
  const { parameters, replicas, gateways, timeMs } = genesis;
  checkWindows(parameters);
  const records: AnyRecord[] = [
    {
      kind: 'totals',
      record: {
        timeMs,
        sequence: 0n,
        treasuryMicro: SUPPLY_MICRO,
        burnMicro: 0n,
        accountsMicro: 0n,
        maturingMicro: 0n,
        clustersMicro: 0n,
        holdsMicro: 0n,
        potsMicro: 0n,
      },
    },
    {
      kind: 'constitution',
      record: { chain: chainOf(genesis, sha256), epoch: 0n, replicas, pending: [], parameters },
    },
    ...gateways.map(({ publicKey, grantsPerDay, ...terms }) => ({
      kind: 'gateway' as const,
      record: { ...newGateway(publicKey), grantsPerDay: Number(grantsPerDay), ...terms },
    })),
    ...replicas.map(({ voteKey }) => ({
      kind: 'vote-key' as const,
      record: { publicKey: voteKey },
    })),
  ];
  const changes = records.map(({ kind, record }) => ({
    key: recordKey(kind, idOf(kind, record as never), sha256),
    value: writeRecord(kind, record as never),
  }));
  return { trie: trieUpdate(EMPTY_TRIE, changes, sha256), indexes: NO_INDEXES };
}
