import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must } from '#lib/kernel/assert.ts';
import type { Parameters } from '#lib/ledger/account/genesis.ts';
import { makeNetwork, type Network } from '#server/replica/genesis.ts';
import type { Host } from '#server/replica/network-plan.ts';
import { freePortRuns } from '#server/replica/free-ports.ts';
import { signerOf } from './world.ts';

export interface LocalNetwork extends Network {
  readonly folder: string;
  readonly hosts: readonly Host[];
  readonly configs: readonly string[];
  remove(): Promise<void>;
}

export interface LocalOptions {
  readonly isProxied?: boolean;
  readonly gateways?: readonly string[];
}

/**
 * Keys and folders of `n` replicas on free ports of this machine; `gateway` of `world.ts` is a gateway, or
 * those that are named.
 * `isProxied`: the chain has other addresses than the replicas listen on, `hosts[i].address`.
 */
export async function localNetwork(
  n = 4,
  parameters: Partial<Parameters> = {},
  { isProxied = false, gateways = ['gateway'] }: LocalOptions = {},
): Promise<LocalNetwork> {
  const folder = await mkdtemp(join(tmpdir(), 'declai-ledger-'));
  const ports = await freePortRuns(4 * n, 1);
  const at = (i: number) => ({ host: '127.0.0.1', port: must(ports[i], 'a port') });
  const hosts = Array.from({ length: n }, (_, i) => ({
    ...{ replicas: at(4 * i), clients: at(4 * i + 1), operator: at(4 * i + 2) },
    ...(isProxied ? { address: at(4 * i + 3) } : {}),
  }));
  const network = await makeNetwork(folder, {
    ...{ name: 'test', hosts, parameters, timeMs: Date.now() },
    gateways: gateways.map((name) => ({
      publicKey: signerOf(name).publicKey,
      ...{ grantsPerDay: 100_000n, grantMicroMax: 1_000_000n, subsidyPerDayMicro: 1_000_000n },
    })),
  });
  return {
    ...network,
    ...{ folder, hosts, configs: network.folders.map((each) => join(each, 'replica.json')) },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Of one replica, from its operator's port. */
export async function health(host: Host): Promise<Record<string, unknown> | null> {
  try {
    const response = await fetch(`http://127.0.0.1:${host.operator.port}/healthz`);
    return (await response.json()) as Record<string, unknown>;
  } catch {
    return null;
  }
}

export const operatorSeed = async (file: string): Promise<string> =>
  (JSON.parse(await readFile(file, 'utf8')) as { operatorSeed: string }).operatorSeed;
