import { isFault } from '#lib/kernel/errors.ts';
import { checkBatch, writeBatch } from '#lib/ledger/account/codec/batch.ts';
import type { Execution } from '#lib/ledger/account/execute.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { digestRun, Traffic } from './traffic.ts';
import { signerOf } from './world.ts';

/**
 * One replica's work without the network, in a process of its own: `signed-run.ts SEED COUNT` makes
 * validly signed transactions, checks every batch as a replica does and executes it.
 */
const [seed, count] = process.argv.slice(-2).map(Number);
const BATCH = 64;

function* blocks(traffic: Traffic, total: number): Generator<Execution> {
  const rules = { chain: traffic.world.chain, verify: serverVerifier(), sha256: nodeSha256 };
  for (let done = 0; done < total; done += BATCH) {
    traffic.pause();
    const transactions = traffic.transactions(BATCH);
    const bytes = writeBatch({ timeMs: traffic.world.timeMs, transactions });
    const checked = checkBatch(bytes, rules);
    if (isFault(checked)) throw checked;
    yield traffic.world.block(checked.transactions);
  }
}

const traffic = new Traffic(seed ?? 1, signerOf);
const digest = digestRun(traffic, blocks(traffic, count ?? 1_000));
process.stdout.write(`${JSON.stringify(digest)}\n`);
