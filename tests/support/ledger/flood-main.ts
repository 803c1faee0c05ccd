import { once } from 'node:events';
import { fromHex } from '#lib/kernel/bytes.ts';
import { must, unreachable } from '#lib/kernel/assert.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import { chainOf } from '#lib/ledger/account/genesis.ts';
import { nodeSha256, nodeSigner } from '#lib/ledger/crypto/server.ts';
import { loadConfig } from '#server/replica/config.ts';
import { selfSigned } from '#server/replica/transport/certificate.ts';
import { clientFlood, flood, memberFlood, type Flood } from './flood.ts';
import { READY, type FloodJob } from './flood-apart.ts';

/** A flood's process: its job is its argument; `ready`, then, once its input has ended, how often each port threw it out. */
const job = JSON.parse(process.argv[2] ?? '') as FloodJob;
const made = await floodOf(job);
process.stdout.write(READY);
await once(process.stdin.resume(), 'end');
const thrownOut = await Promise.all(job.ports.map((port) => flood(made, port, job.framesEach)));
process.stdout.write(JSON.stringify(thrownOut));

async function floodOf({ by, seed }: FloodJob): Promise<Flood> {
  const random = seededRandom(seed);
  switch (by.kind) {
    case 'client':
      return clientFlood(must(fromHex(by.transaction), 'a transaction in hex'), random);
    case 'member': {
      const { keys, genesis } = await loadConfig(by.config);
      const identity = await selfSigned(keys.transportSeed);
      const chain = chainOf(genesis, nodeSha256);
      const { replica } = by;
      return memberFlood({ identity, vote: nodeSigner(keys.voteSeed), chain, replica, random });
    }
    default:
      return unreachable(by);
  }
}
