import { must } from '#lib/kernel/assert.ts';
import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import {
  LightClient,
  type LightOptions,
  type LightStore,
} from '#lib/ledger/client/light/light-client.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { eagerAnswer, gatewayAnswer, sourceOf, type Lie } from './client-port.ts';
import { LocalCluster } from './local-cluster.ts';

export const verify = serverVerifier();
export const proving = {
  sha256: nodeSha256,
  verify: (...args: Parameters<typeof verify>) => Promise.resolve(verify(...args)),
};

/** A cluster in which `ann` was granted 1 000 micro in its first block, and `count` others after her. */
export function ledger(count = 3): LocalCluster {
  const cluster = new LocalCluster();
  const { world } = cluster;
  for (let i = 0; i <= count; i += 1) {
    cluster.submit(world.sign(world.grant(i === 0 ? 'ann' : `p${i}`)));
  }
  return cluster;
}

export const sourceIn = (cluster: LocalCluster, lie?: Lie) =>
  sourceOf((question) => (lie ? eagerAnswer : gatewayAnswer)(cluster, question), lie);

export const pinAt = (cluster: LocalCluster, sequence: number) => {
  const { header } = must(cluster.replica(0).blocks.get(sequence), 'a block');
  return { sequence, headerHash: headerHash(header, nodeSha256) };
};

export const clientOf = (cluster: LocalCluster, more: Partial<LightOptions> = {}): LightClient =>
  new LightClient({
    genesis: writeGenesis(cluster.world.genesis),
    sources: [sourceIn(cluster)],
    proving,
    nowMs: () => Number(cluster.world.timeMs),
    ...more,
  });

export const pinned = (cluster: LocalCluster, more: Partial<LightOptions> = {}): LightClient =>
  clientOf(cluster, { pin: pinAt(cluster, 1), ...more });

export async function faultOf(promise: Promise<unknown>): Promise<FaultError> {
  const error: unknown = await promise.then(
    () => new Error('it was believed'),
    (thrown: unknown) => thrown,
  );
  if (!isFault(error)) throw error;
  return error;
}

export class MemoryStore implements LightStore {
  image: Uint8Array | null = null;
  load = () => Promise.resolve(this.image);
  save = (image: Uint8Array) => {
    this.image = image;
    return Promise.resolve();
  };
}
