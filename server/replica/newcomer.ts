import { access, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import { chainOf } from '#lib/ledger/account/genesis.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { syncFolder } from '#lib/ledger/store/server.ts';
import { loadConfig, loadGenesis, type ReplicaKeys } from './config.ts';
import { makeReplica, newKeys } from './genesis.ts';
import { checkHost, hostAt } from './network-plan.ts';
import { rotationOf, type Rotation } from './rekey.ts';
import { addressText, type HostPort } from './transport/tls.ts';

export interface NewcomerOptions {
  readonly genesisFile: string;
  /** Where the others find it; clients and its operator come to the two ports above. */
  readonly at: HostPort;
  /** The replica's own, to be made. */
  readonly folder: string;
  /** Public: the secret stays with the operator. */
  readonly operatorKey: ReplicaKeys['operatorKey'];
  /** In which the change is to be executed. */
  readonly epoch: number;
  /** This operator has a replica, whose keys are lost: it gets new ones. */
  readonly isLost: boolean;
}

/** What an ADD-REPLICA transaction says, as `Rotation`. */
export interface Addition extends Omit<Rotation, 'type'> {
  readonly type: 'add-replica';
  readonly address: string;
}

/**
 * A folder with new keys for a network that runs: of one more replica, or of one that lost all of its own.
 * Called again (the epoch ended meanwhile), it speaks for the same keys. All or nothing of it is made.
 * @throws FaultError `server/config`
 */
export async function prepareNewcomer(options: NewcomerOptions): Promise<Addition | Rotation> {
  const { folder, epoch, operatorKey, isLost } = options;
  const genesis = await loadGenesis(options.genesisFile);
  const chain = chainOf(genesis, nodeSha256);
  const isThere = await access(folder).then(
    () => true,
    () => false,
  );
  if (!isThere) await makeNewcomer(options, { genesis, chain });
  const made = await loadConfig(join(folder, 'replica.json'));
  const isOurs =
    bytesEqual(chainOf(made.genesis, nodeSha256), chain) &&
    bytesEqual(made.keys.operatorKey, operatorKey);
  if (!isOurs) {
    throw new FaultError(
      'server/config',
      `${folder} is a replica of another network or operator: choose a new folder`,
    );
  }
  const rotation = rotationOf(made.keys, { chain, epoch });
  if (isLost) return rotation;
  return { ...rotation, type: 'add-replica', address: addressText(made.listen.replicas) };
}

async function makeNewcomer(
  { at, folder, operatorKey }: NewcomerOptions,
  of: Pick<Parameters<typeof makeReplica>[1], 'genesis' | 'chain'>,
): Promise<void> {
  const host = hostAt(at);
  checkHost(host);
  const unfinished = `${folder}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await makeReplica(unfinished, { ...of, host, keys: newKeys(operatorKey) });
  await rename(unfinished, folder);
  await syncFolder(dirname(folder));
}
