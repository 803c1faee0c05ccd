import { randomBytes } from 'node:crypto';
import { access, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toHex, utf8 } from '#lib/kernel/bytes.ts';
import { nodeSigner } from '#lib/ledger/crypto/server.ts';
import { syncFolder } from '#lib/ledger/store/server.ts';
import { REPLICAS_MIN } from '#lib/ledger/pbft/quorum.ts';
import { freePortRuns } from './free-ports.ts';
import { makeNetwork } from './genesis.ts';
import { hostAt } from './network-plan.ts';

/** What this machine's own gateway may do; it is the only one. */
const GATEWAY = {
  grantsPerDay: 1_000n,
  grantMicroMax: 1_000_000_000n,
  subsidyPerDayMicro: 1_000_000_000n,
};

/**
 * The ledger of one machine: four replicas with keys and folders of their own, made at the first start.
 * All or nothing of it is made; ports are chosen once, for the genesis names them.
 * @returns each replica's configuration file.
 */
export async function localLedger(folder: string): Promise<string[]> {
  const isThere = await access(folder).then(
    () => true,
    () => false,
  );
  if (!isThere) await makeLocal(folder);
  return Array.from({ length: REPLICAS_MIN }, (_, i) =>
    join(folder, `replica-${i}`, 'replica.json'),
  );
}

async function makeLocal(folder: string): Promise<void> {
  const unfinished = `${folder}.new`;
  await rm(unfinished, { recursive: true, force: true });
  const ports = await freePortRuns(REPLICAS_MIN, 3);
  const gatewaySeed = new Uint8Array(randomBytes(32));
  await makeNetwork(unfinished, {
    name: `local ${toHex(new Uint8Array(randomBytes(8)))}`,
    // A client's port is the one above the replica's, which the genesis names.
    hosts: ports.map((port) => hostAt({ host: '127.0.0.1', port })),
    gateways: [{ publicKey: nodeSigner(gatewaySeed).publicKey, ...GATEWAY }],
    timeMs: Date.now(),
  });
  // A key file as `npm run ledger -- keygen` makes one.
  const json = utf8(`${JSON.stringify({ seed: toHex(gatewaySeed) }, null, 2)}\n`);
  await writeFile(join(unfinished, 'gateway.json'), json, { mode: 0o600, flush: true });
  await syncFolder(unfinished);
  await rename(unfinished, folder);
  await syncFolder(dirname(folder));
}
