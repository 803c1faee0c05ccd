import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { ReplicaStore, createReplicaFolder } from '#lib/ledger/store/server.ts';

/** A process of its own that opens a replica's folder, says so, and keeps it until it is ended. */
const [folder = ''] = process.argv.slice(2);
const options = {
  ...{ folder, chain: new Uint8Array(32).fill(1), voteKey: new Uint8Array(32).fill(2) },
  ...{ sha256: nodeSha256, parts: () => [], isFirst: () => true },
};
await createReplicaFolder(options);
await ReplicaStore.open(options);
process.stdout.write('open\n');
setInterval(() => undefined, 1_000);
