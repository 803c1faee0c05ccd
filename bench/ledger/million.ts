import { readFileSync, writeFileSync } from 'node:fs';
import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { execute } from '#lib/ledger/account/execute.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { ledgerApplication, ledgerState } from '#lib/ledger/application/application.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { Reader, Writer } from '#lib/ledger/pbft/codec/bytes.ts';
import { partBytes, readParts } from '#lib/ledger/pbft/state-parts.ts';
import { START_MS, World } from '#tests/support/ledger/world.ts';
import { holdsOver, withAccounts } from './accounts.ts';

/** `make FILE COUNT` writes a state of so many accounts, `load FILE COUNT` reads it as a replica does. */
const [verb, file = '', countText = ''] = process.argv.slice(2);
const count = Number(countText);
const BLOCKS = 10;
const BATCH = 64;
const PARTS_MAX = 65_535;

const world = new World({ checkpointInterval: 1_000n, logWindow: 2_000n });
const application = ledgerApplication({
  ...{ chain: world.chain, verify: serverVerifier(), sha256: nodeSha256 },
});

const status = (name: string): number =>
  Number(
    new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1],
  ) / 1024;

function make(): void {
  const state = withAccounts(world, count);
  const out = new Writer().raw(state.trie.rootHash);
  out.list(partBytes(application.parts(state)), (to, part) => to.blob(part));
  writeFileSync(file, out.done());
}

function load(): object {
  const startedAt = performance.now();
  const bytes = new Uint8Array(readFileSync(file));
  const from = new Reader(bytes);
  const root = from.raw(32);
  const parts = from.list(PARTS_MAX, (each) => each.blob(bytes.length));
  const readAt = performance.now();
  for (const part of parts) nodeSha256(part);
  const hashedAt = performance.now();
  const read = must(readParts(application, parts), 'parts');
  const app = must(application.restore(read, root), 'the state that was written');
  const loadedAt = performance.now();
  parts.length = 0;
  let state = ledgerState(app);
  const times: number[] = [];
  for (let sequence = 1; sequence <= BLOCKS; sequence += 1) {
    const transactions = holdsOver(world, { accounts: count, sequence, count: BATCH }).map(
      (each) => {
        const read = readTransaction(each, nodeSha256);
        if (isFault(read)) throw read;
        return read;
      },
    );
    const blockAt = performance.now();
    const block = { sequence: BigInt(sequence), timeMs: START_MS, transactions };
    state = execute(state, block, nodeSha256).state;
    times.push(performance.now() - blockAt);
  }
  return {
    bytes: bytes.length,
    loadMs: loadedAt - hashedAt + (readAt - startedAt),
    floorMs: hashedAt - startedAt,
    blockMs: times.sort((a, b) => a - b)[BLOCKS >> 1],
    residentMib: status('VmRSS'),
    peakMib: status('VmHWM'),
  };
}

if (verb === 'make') make();
else process.stdout.write(`${JSON.stringify(load())}\n`);
