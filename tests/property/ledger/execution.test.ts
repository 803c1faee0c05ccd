import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import { audit } from '#lib/ledger/account/audit.ts';
import { checkBatch, writeBatch } from '#lib/ledger/account/codec/batch.ts';
import { RESULT_CODES } from '#lib/ledger/account/codes.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { execute } from '#lib/ledger/account/execute.ts';
import { readRecord, writeRecord } from '#lib/ledger/account/records/kinds.ts';
import { restore, snapshot } from '#lib/ledger/account/snapshot.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { portableSha256 } from '#lib/ledger/crypto/sha256.ts';
import { digestRun, Traffic, type RunDigest } from '#tests/support/ledger/traffic.ts';
import { World } from '#tests/support/ledger/world.ts';

const run = promisify(execFile);
const path = (name: string): string => fileURLToPath(new URL(`../../../${name}`, import.meta.url));

const COUNT = Number(process.env['LEDGER_TRANSACTIONS'] ?? 4_000);

test(
  `[A3] ${COUNT} validly signed transactions on two processes give equal roots`,
  { timeout: 600_000 },
  async () => {
    const script = [path('scripts/ts.mjs'), path('tests/support/ledger/signed-run.ts')];
    const digests = await Promise.all(
      [1, 2].map(async () => {
        const { stdout } = await run(process.execPath, [...script, '11', String(COUNT)]);
        return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as RunDigest;
      }),
    );
    expect(digests[0]).toEqual(digests[1]);
    expect(digests[0]?.transactions).toBeGreaterThanOrEqual(COUNT);
    expect(digests[0]?.codes['ok']).toBeGreaterThan(COUNT / 5);
  },
);

test('[A3] the traffic of these tests reaches every result, and its root hangs on every block', () => {
  const traffic = new Traffic(3);
  const blocks = function* () {
    for (let i = 0; i < 150; i += 1) yield traffic.block(40);
  };
  const { codes } = digestRun(traffic, blocks());
  const seen = RESULT_CODES.filter((code) => (codes[code] ?? 0) > 0);
  const rare = ['ledger/nonce-too-old', 'wire/malformed'];
  expect([...seen].sort()).toEqual(RESULT_CODES.filter((code) => !rare.includes(code)).sort());
  audit(traffic.world.state, nodeSha256);
  const { state, rootHash } = {
    state: traffic.world.state,
    rootHash: traffic.world.state.trie.rootHash,
  };
  expect(restore(snapshot(state), rootHash, portableSha256)).toEqual(state);
});

test('[A3] execution leaves its input as it was, and repeats itself to the byte with another SHA-256', () => {
  const traffic = new Traffic(5);
  for (let i = 0; i < 30; i += 1) {
    const { state, sequence, timeMs } = traffic.world;
    const before = [...snapshot(state)].map(String).join();
    const transactions = traffic.transactions(20);
    const block = { sequence: sequence + 1n, timeMs: timeMs + 1_000n, transactions };
    const first = execute(state, block, nodeSha256);
    const second = execute(state, block, portableSha256);
    expect(second.roots).toEqual(first.roots);
    expect(second.state.indexes).toEqual(first.state.indexes);
    if (i % 10 === 0) expect([...snapshot(state)].map(String).join()).toBe(before);
    traffic.block(20);
  }
});

test('[A3] no bytes make execution throw: what is no transaction is refused as such', () => {
  const world = new World();
  const traffic = new Traffic(7);
  const real = traffic.transactions(50);
  const mutated = fc.integer({ min: 0 }).map((seed) => {
    const random = seededRandom(seed);
    const bytes = random.pick(real).slice();
    for (let i = random.below(4); i >= 0; i -= 1)
      bytes[random.below(bytes.length)] = random.below(256);
    return random.chance(0.2) ? bytes.slice(0, random.below(bytes.length)) : bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated), (bytes) => {
      const block = { sequence: 1n, timeMs: world.timeMs, transactions: [bytes] };
      const { results } = execute(world.state, block, nodeSha256);
      const isRead = !isFault(readTransaction(bytes, nodeSha256));
      expect(results[0]?.code === 'wire/malformed').toBe(!isRead);
    }),
    { numRuns: 3_000 },
  );
});

test('[T5] no bytes make a batch’s check throw, and none pass it unsigned', () => {
  const { chain } = new World();
  const rules = { chain, verify: () => false, sha256: nodeSha256 };
  const real = writeBatch({ timeMs: 1n, transactions: new Traffic(9).transactions(3) });
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const random = seededRandom(seed);
      const bytes = real.slice();
      for (let i = random.below(4); i >= 0; i -= 1)
        bytes[random.below(bytes.length)] = random.below(256);
      const cut = random.chance(0.3) ? bytes.slice(0, random.below(bytes.length)) : bytes;
      const checked = checkBatch(cut, rules);
      expect(isFault(checked) || checked.transactions.length === 0).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('[A17] no bytes make the reader of records throw, and a record has one encoding', () => {
  const traffic = new Traffic(13);
  for (let i = 0; i < 20; i += 1) traffic.block(40);
  const values = [...snapshot(traffic.world.state)];
  for (const value of values) {
    const read = readRecord(value);
    expect(isFault(read) ? read : writeRecord(read.kind, read.record as never)).toEqual(value);
  }
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const random = seededRandom(seed);
      const bytes = random.pick(values).slice();
      bytes[random.below(bytes.length)] = random.below(256);
      const read = readRecord(
        bytes.subarray(0, random.chance(0.5) ? random.below(bytes.length) : bytes.length),
      );
      expect(isFault(read) || typeof read.kind === 'string').toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
