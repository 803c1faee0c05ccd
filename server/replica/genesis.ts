import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex, utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import {
  chainOf,
  writeGenesis,
  type Genesis,
  type Parameters,
} from '#lib/ledger/account/genesis.ts';
import { nodeSha256, nodeSigner } from '#lib/ledger/crypto/server.ts';
import { createReplicaFolder, syncFolder } from '#lib/ledger/store/server.ts';
import type { ReplicaKeys } from './config.ts';
import { checkNetwork, type Host, type NetworkOptions } from './network-plan.ts';
import { addressText } from './transport/tls.ts';
import { GENESIS_FILE } from './genesis-file.ts';

/** What a new network begins with; operators change it later, q of them together. */
export const DEFAULT_PARAMETERS: Parameters = {
  burnPpm: 10_000n,
  microPerTeraflop: 1_000_000n,
  holdMicroMin: 10n,
  priorityMicro: 50_000_000n,
  checkpointInterval: 128n,
  window: 8n,
  logWindow: 256n,
  viewTimeoutMs: 2_000n,
  batchMax: 64n,
};

export interface Network {
  /** The genesis file: everybody has it. */
  readonly genesisFile: string;
  readonly genesis: Genesis;
  readonly chain: Uint8Array;
  /** A folder for each host, to be moved there: `replica.json`, `keys.json`, `data`. */
  readonly folders: readonly string[];
  /** One file an operator, to be kept away from the replicas: `{operatorSeed}`. */
  readonly operatorFiles: readonly string[];
}

/**
 * Keys, folders and the genesis of a network, written below `folder`. Each log is made here, with its
 * key: a replica that finds none has lost it, and never signs.
 * @throws FaultError `server/config`
 */
export async function makeNetwork(folder: string, options: NetworkOptions): Promise<Network> {
  const { hosts } = options;
  checkNetwork(options);
  const own = hosts.map((host) => {
    const operatorSeed = new Uint8Array(randomBytes(32));
    return { host, operatorSeed, keys: newKeys(Uint8Array.from(publicOf(operatorSeed))) };
  });
  const genesis: Genesis = {
    name: utf8(options.name),
    timeMs: BigInt(options.timeMs),
    replicas: own.map(({ host, keys }) => replicaOf(host, keys)),
    gateways: options.gateways,
    parameters: { ...DEFAULT_PARAMETERS, ...options.parameters },
  };
  const chain = chainOf(genesis, nodeSha256);
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) =>
    unwritable(folder, cause),
  );
  const genesisFile = join(folder, GENESIS_FILE);
  await writeNew(genesisFile, writeGenesis(genesis), 0o644);
  const folders: string[] = [];
  const operatorFiles: string[] = [];
  for (const [i, { host, operatorSeed, keys }] of own.entries()) {
    const replica = join(folder, `replica-${i}`);
    await makeReplica(replica, { host, keys, genesis, chain });
    folders.push(replica);
    const file = join(folder, `operator-${i}.json`);
    await writeNew(file, json({ operatorSeed: toHex(operatorSeed) }), 0o600);
    operatorFiles.push(file);
  }
  await syncFolder(folder);
  return { genesisFile, genesis, chain, folders, operatorFiles };
}

/** Vote and transport key of a replica of this operator. */
export const newKeys = (operatorKey: ReplicaKeys['operatorKey']): ReplicaKeys => ({
  operatorKey,
  voteSeed: new Uint8Array(randomBytes(32)),
  transportSeed: new Uint8Array(randomBytes(32)),
});

const publicOf = (seed: Uint8Array): Uint8Array => nodeSigner(seed).publicKey;

const replicaOf = (
  { replicas, address = replicas }: Host,
  { operatorKey, voteSeed, transportSeed }: ReplicaKeys,
): Genesis['replicas'][number] => ({
  operatorKey,
  voteKey: publicOf(voteSeed),
  transportKey: publicOf(transportSeed),
  address: utf8(addressText(address)),
});

/** A replica's folder with its keys and its log, to be moved to its host. @throws FaultError `server/config` */
export async function makeReplica(
  folder: string,
  of: {
    readonly host: Host;
    readonly keys: ReplicaKeys;
    readonly genesis: Genesis;
    readonly chain: Uint8Array;
  },
): Promise<void> {
  const { host, keys, genesis, chain } = of;
  const { operatorKey, voteSeed, transportSeed } = keys;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeNew(join(folder, GENESIS_FILE), writeGenesis(genesis), 0o644);
  const own = {
    operatorKey: toHex(operatorKey),
    voteSeed: toHex(voteSeed),
    transportSeed: toHex(transportSeed),
  };
  await writeNew(join(folder, 'keys.json'), json(own), 0o600);
  const config = {
    ...{ genesis: GENESIS_FILE, keys: 'keys.json', data: 'data' },
    listen: {
      replicas: addressText(host.replicas),
      clients: addressText(host.clients),
      operator: addressText(host.operator),
    },
  };
  const data = join(folder, 'data');
  await mkdir(data, { recursive: true, mode: 0o700 });
  await createReplicaFolder({ folder: data, chain, voteKey: publicOf(voteSeed) });
  await writeNew(join(folder, 'replica.json'), json(config), 0o644);
  await syncFolder(folder);
}

const json = (value: unknown): Uint8Array => utf8(`${JSON.stringify(value, null, 2)}\n`);

/** Keys are never written over, and on disk before anybody hears of them. */
async function writeNew(file: string, bytes: Uint8Array, mode: number): Promise<void> {
  try {
    await writeFile(file, bytes, { flag: 'wx', mode, flush: true });
  } catch (cause) {
    unwritable(file, cause);
  }
}

function unwritable(path: string, cause: unknown): never {
  const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST';
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new FaultError(
    'server/config',
    isThere
      ? `${path} is there already, and is never written over: choose a new folder`
      : `cannot write ${path}: ${why}`,
    { cause },
  );
}
