import { randomBytes } from 'node:crypto';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import {
  createLedgerClient,
  type LedgerClient,
  type LedgerClientOptions,
} from '#lib/ledger/client/client.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import type { MemoryNetwork } from './memory-network.ts';
import { signerOf } from './world.ts';

/** The gateway's client of all replicas of a network in memory, by the clock of its world. */
export function gatewayClient(
  { cluster, endpoints }: MemoryNetwork,
  more: Partial<LedgerClientOptions> = {},
): LedgerClient {
  const { world } = cluster;
  return createLedgerClient({
    ...{ genesis: writeGenesis(world.genesis), endpoints },
    ...{ signer: signerOf('gateway'), verify: serverVerifier(), sha256: nodeSha256 },
    nowMs: () => Number(world.timeMs),
    random: (length) => new Uint8Array(randomBytes(length)),
    timeoutMs: 400,
    ...more,
  });
}
