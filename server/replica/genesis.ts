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
import { REPLICAS_MAX, REPLICAS_MIN } from '#lib/ledger/pbft/quorum.ts';
import { createReplicaFolder } from '#lib/ledger/store/server.ts';
import type { HostPort } from './transport/tls.ts';
import { GENESIS_FILE } from './genesis-file.ts';

/** Where one replica listens, and is found. */
export interface Host {
  readonly replicas: HostPort;
  /** Where the others find it, if that is another place: a forwarded port. */
  readonly address?: HostPort;
  readonly clients: HostPort;
  readonly operator: HostPort;
}

export interface NetworkOptions {
  /** For people, and so that no two networks are one. */
  readonly name: string;
  readonly hosts: readonly Host[];
  readonly gateways: Genesis['gateways'];
  readonly parameters?: Partial<Parameters>;
  readonly timeMs: number;
}

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
  if (hosts.length < REPLICAS_MIN || hosts.length > REPLICAS_MAX) {
    throw new FaultError(
      'server/config',
      `a ledger has ${REPLICAS_MIN} to ${REPLICAS_MAX} replicas`,
    );
  }
  const keys = hosts.map(newKeys);
  const genesis: Genesis = {
    name: utf8(options.name),
    timeMs: BigInt(options.timeMs),
    replicas: hosts.map((host, i) => replicaOf(host, keys[i] ?? newKeys())),
    gateways: options.gateways,
    parameters: { ...DEFAULT_PARAMETERS, ...options.parameters },
  };
  const chain = chainOf(genesis, nodeSha256);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const genesisFile = join(folder, GENESIS_FILE);
  await writeNew(genesisFile, writeGenesis(genesis), 0o644);
  const folders: string[] = [];
  const operatorFiles: string[] = [];
  for (const [i, host] of hosts.entries()) {
    const own = keys[i];
    if (own === undefined) continue;
    folders.push(
      await makeReplica(join(folder, `replica-${i}`), { host, keys: own, genesis, chain }),
    );
    const file = join(folder, `operator-${i}.json`);
    await writeNew(file, json({ operatorSeed: toHex(own.operatorSeed) }), 0o600);
    operatorFiles.push(file);
  }
  return { genesisFile, genesis, chain, folders, operatorFiles };
}

interface Seeds {
  readonly operatorSeed: Uint8Array;
  readonly voteSeed: Uint8Array;
  readonly transportSeed: Uint8Array;
}

const newKeys = (): Seeds => ({
  operatorSeed: new Uint8Array(randomBytes(32)),
  voteSeed: new Uint8Array(randomBytes(32)),
  transportSeed: new Uint8Array(randomBytes(32)),
});

const publicOf = (seed: Uint8Array): Uint8Array => nodeSigner(seed).publicKey;

export const addressText = ({ host, port }: HostPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

const replicaOf = (
  { replicas, address = replicas }: Host,
  { operatorSeed, voteSeed, transportSeed }: Seeds,
): Genesis['replicas'][number] => ({
  operatorKey: publicOf(operatorSeed),
  voteKey: publicOf(voteSeed),
  transportKey: publicOf(transportSeed),
  address: utf8(addressText(address)),
});

async function makeReplica(
  folder: string,
  of: {
    readonly host: Host;
    readonly keys: Seeds;
    readonly genesis: Genesis;
    readonly chain: Uint8Array;
  },
): Promise<string> {
  const { host, keys, genesis, chain } = of;
  const { operatorSeed, voteSeed, transportSeed } = keys;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeNew(join(folder, GENESIS_FILE), writeGenesis(genesis), 0o644);
  const own = {
    operatorKey: toHex(publicOf(operatorSeed)),
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
  return folder;
}

const json = (value: unknown): Uint8Array => utf8(`${JSON.stringify(value, null, 2)}\n`);

/** Keys are never written over. */
async function writeNew(file: string, bytes: Uint8Array, mode: number): Promise<void> {
  try {
    await writeFile(file, bytes, { flag: 'wx', mode });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FaultError('server/config', `cannot write ${file}: ${why}`, { cause });
  }
}
