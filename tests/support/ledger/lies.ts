import type { FaultCode } from '#lib/kernel/errors.ts';
import { recordKey } from '#lib/ledger/account/records/kinds.ts';
import type { Reply, SealSet } from '#lib/ledger/client/wire/answers.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import { sealBodyBytes } from '#lib/ledger/pbft/messages/seal.ts';
import { signedBytes } from '#lib/ledger/pbft/messages/signing.ts';
import { answerOf, eagerAnswer, gatewayAnswer, type Lie } from './client-port.ts';
import { LocalCluster } from './local-cluster.ts';
import { signerOf } from './world.ts';

/** What a server may try to make a light client believe, and what it is told. */
export interface NamedLie {
  readonly name: string;
  readonly code: FaultCode;
  readonly lie: Lie;
}

/** SEALs of any header at all, by whoever has these keys. */
export function forgedSeals(header: Header, voteKeys: readonly string[]): SealSet {
  const { chain, epoch, sequence } = header;
  const body = { epoch, sequence, headerHash: headerHash(header, nodeSha256) };
  const message = signedBytes('seal', chain, sealBodyBytes(body));
  const seals = voteKeys.map((name, replica) => ({
    replica,
    signature: signerOf(name).sign(message),
  }));
  return { ...body, seals: seals.slice(-3) };
}

const flipped = (bytes: Uint8Array): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
};

type Records = Extract<Reply, { type: 'records' }>;

/** A lie in every answer with records; what else is asked is told truly. */
const inRecords =
  (change: (reply: Records) => Reply): Lie =>
  (reply) =>
    reply.type === 'records' ? change(reply) : reply;

const inSeals = (change: (seals: SealSet['seals']) => SealSet['seals']): Lie =>
  inRecords((reply) => ({
    ...reply,
    seals: reply.seals.map((set) => ({ ...set, seals: change(set.seals) })),
  }));

const inFirst = (change: (given: Records['records'][number]) => Records['records'][number]) =>
  inRecords((reply) => ({ ...reply, records: reply.records.map(change) }));

export const KEYS_OF_EPOCH_0 = ['vote 0', 'vote 1', 'vote 2', 'vote 3'] as const;

/**
 * A ledger with accounts `ann` and `bob` and none of `nobody`, in its second epoch, and every lie that a
 * server can tell who asks for the account of `ann` (or, where it says so, of `nobody`).
 */
export function lyingLedger(): {
  readonly cluster: LocalCluster;
  readonly ofAnn: readonly NamedLie[];
  readonly ofNobody: readonly NamedLie[];
} {
  const cluster = new LocalCluster();
  const { world } = cluster;
  const grant = (name: string) => cluster.submit(world.sign(world.grant(name)));
  grant('ann');
  grant('bob');
  for (const index of [1, 2, 3]) cluster.rotate(index, `new vote ${index}`);
  for (let i = 0; i < 9; i += 1) grant(`more ${i}`);
  const other = new LocalCluster({ burnPpm: 20_000n });
  other.submit(other.world.sign(other.world.grant('ann')));
  const accountKey = (name: string) => recordKey('account', world.id(name), nodeSha256);
  const readOf = (name: string) =>
    ({ type: 'read', at: 'newest', minSequence: 0, keys: [accountKey(name)] }) as const;
  const told = (name: string) => gatewayAnswer(cluster, readOf(name)) as Records;
  const old = answerOf(cluster.replica(0), { ...readOf('ann'), at: 'certified' }) as Records;

  const ofAnn: NamedLie[] = [
    {
      name: 'a bit flipped in a header',
      code: 'ledger/unproven',
      lie: inRecords(({ header, ...rest }) => ({
        ...rest,
        header: { ...header, stateRoot: flipped(header.stateRoot) },
      })),
    },
    {
      name: 'a bit flipped in a header, under SEALs that name it',
      code: 'ledger/unproven',
      lie: inRecords(({ header, seals, ...rest }) => {
        const changed = { ...header, stateRoot: flipped(header.stateRoot) };
        const hash = headerHash(changed, nodeSha256);
        const sets = seals.map((set) => ({ ...set, headerHash: hash }));
        return { ...rest, header: changed, seals: sets };
      }),
    },
    {
      name: 'a certificate with one SEAL',
      code: 'ledger/unproven',
      lie: inSeals((seals) => seals.slice(0, 1)),
    },
    {
      name: 'a certificate by f + 1 only',
      code: 'ledger/unproven',
      lie: inSeals((seals) => seals.slice(0, 2)),
    },
    {
      name: 'SEALs repeated from one signer',
      code: 'wire/malformed',
      lie: inSeals((seals) => Array.from({ length: 4 }, () => seals[0]!)),
    },
    {
      name: 'one signer’s SEAL under the names of others',
      code: 'ledger/unproven',
      lie: inSeals((seals) => seals.map((each) => ({ ...each, signature: seals[0]!.signature }))),
    },
    {
      name: 'a SEAL of a replica that there is not',
      code: 'ledger/unproven',
      lie: inSeals((seals) => [...seals.slice(0, 3), { ...seals[3]!, replica: 9 }]),
    },
    {
      name: 'a proof of another account',
      code: 'ledger/unproven',
      lie: inRecords((reply) => ({ ...reply, records: told('bob').records })),
    },
    {
      name: 'a proof of another sequence',
      code: 'ledger/unproven',
      lie: inRecords((reply) => ({ ...reply, records: old.records })),
    },
    {
      name: 'an account that is there shown as absent',
      code: 'ledger/unproven',
      lie: inFirst((given) => ({ ...given, value: null })),
    },
    {
      name: 'an account that is there shown as absent, by the proof of one that is not',
      code: 'ledger/unproven',
      lie: inRecords((reply) => ({ ...reply, records: told('nobody').records })),
    },
    {
      name: 'another balance',
      code: 'ledger/unproven',
      lie: inFirst(({ value, proof }) => ({ proof, value: value && flipped(value) })),
    },
    {
      name: 'an answer without the record',
      code: 'ledger/unproven',
      lie: inRecords((reply) => ({ ...reply, records: [] })),
    },
    { name: 'a valid old head', code: 'ledger/stale', lie: inRecords(() => old) },
    {
      name: 'a chain from another genesis',
      code: 'ledger/unproven',
      lie: (_reply, question) => eagerAnswer(other, question),
    },
    {
      name: 'a fork by a quorum of leaked old keys',
      code: 'ledger/conflicting-certificates',
      lie: inRecords(({ header, ...rest }) => {
        const forked = { ...header, epoch: 0, sequence: header.sequence + 1 };
        return { ...rest, header: forked, seals: [forgedSeals(forked, KEYS_OF_EPOCH_0)] };
      }),
    },
    {
      name: 'leaked old keys under the new epoch',
      code: 'ledger/unproven',
      lie: inRecords(({ header, ...rest }) => {
        const prevHeaderHash = headerHash(header, nodeSha256);
        const forked = { ...header, sequence: header.sequence + 1, prevHeaderHash };
        return { ...rest, header: forked, seals: [forgedSeals(forked, KEYS_OF_EPOCH_0)] };
      }),
    },
  ];
  const ofNobody: NamedLie[] = [
    {
      name: 'an absent account shown as present, with another’s balance',
      code: 'ledger/unproven',
      lie: inRecords((reply) => ({ ...reply, records: told('ann').records })),
    },
    {
      name: 'an absent account shown as present, with its own proof',
      code: 'ledger/unproven',
      lie: inFirst(({ proof }) => ({ proof, value: told('ann').records[0]!.value })),
    },
  ];
  return { cluster, ofAnn, ofNobody };
}
