import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import { lightGenesis } from '#lib/ledger/client/light/chain.ts';
import { evidenceBytes } from '#lib/ledger/client/light/conflict.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { allSeals } from './client-port.ts';
import { forgedSeals, KEYS_OF_EPOCH_0 } from './lies.ts';
import { LocalCluster } from './local-cluster.ts';

/** Two certificates for the first block of a chain: the one of all replicas, and one by three of them. */
export function evidenceOfFork(): { readonly genesis: Uint8Array; readonly evidence: Uint8Array } {
  // Another network than that of the golden chain.
  const cluster = new LocalCluster({ burnPpm: 30_000n });
  const { world } = cluster;
  cluster.submit(world.sign(world.grant('ann')));
  const genesis = writeGenesis(world.genesis);
  const made = lightGenesis(genesis, nodeSha256);
  if (isFault(made)) throw made;
  const { header } = must(cluster.replica(0).blocks.get(1), 'the first block');
  const forked = { ...header, timeMs: header.timeMs + 1 };
  const certified = (of: typeof header, seals: ReturnType<typeof allSeals>) => ({
    ...{ header: of, headerHash: headerHash(of, nodeSha256), seals: seals.seals },
  });
  const evidence = evidenceBytes(made.light, {
    first: certified(header, allSeals(cluster, header)),
    second: certified(forked, forgedSeals(forked, KEYS_OF_EPOCH_0)),
    link: null,
  });
  return { genesis, evidence };
}
