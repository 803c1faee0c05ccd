import { randomBytes } from 'node:crypto';
import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { execute, type Block } from '#lib/ledger/account/execute.ts';
import { portableVerify } from '#lib/ledger/crypto/ed25519/portable.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { nodeSha256, nodeSigner, nodeVerifier, sodiumVerify } from '#lib/ledger/crypto/server.ts';
import { bytes32, START_MS, World } from '#tests/support/ledger/world.ts';
import { holdsOver, withAccounts } from './ledger/accounts.ts';
import { atMost, machine, median, type BenchResult } from './result.ts';

/** Transactions a block, as in the ledger's own goals. */
const BATCH = 64;
const BLOCKS = 200;
/** Blocks at the end that count; those before warm the compiler up. */
const COUNTED = 60;

/**
 * The state machine's cost a transaction beside one verification. At 64 a batch E = 0.5 gives each of
 * four replicas the time of 2.2 verifications for a transaction, and one of them is spent on its own.
 */
export function run(): Promise<BenchResult> {
  const figures: Record<string, number> = {};
  const backends: readonly [name: string, verify: Verify | null, count: number][] = [
    ['node:crypto, keys kept', nodeVerifier(), 2_000],
    ['node:crypto, keys imported', nodeVerifier(0), 1_000],
    ['sodium-native', sodiumVerify(), 4_000],
    ['tweetnacl', portableVerify, 40],
  ];
  for (const [name, verify, count] of backends) {
    if (verify === null) continue;
    const msOf = verifications(verify);
    msOf(count);
    const ms = median(Array.from({ length: 5 }, () => msOf(count)));
    figures[`verifications/s, ${name}`] = Math.round(1_000 / ms);
  }
  const bars = [1_000, 100_000].map((accounts) => {
    const { blockMs, decodeMs, verifyMs } = blocksOver(accounts);
    figures[`ms a block of ${BATCH} holds, ${accounts} accounts`] = round(blockMs);
    figures[`ms to decode it, ${accounts} accounts`] = round(decodeMs);
    figures[`ms to verify it by node:crypto, ${accounts} accounts`] = round(verifyMs);
    const verifies = (blockMs + decodeMs) / verifyMs;
    return atMost(`decode and execute one hold, ${accounts} accounts`, verifies, {
      max: 1.2,
      unit: 'verifications by node:crypto',
    });
  });
  return Promise.resolve({ name: 'ledger-state', machine: machine(), figures, bars });
}

const round = (value: number): number => Number(value.toPrecision(3));

/** Times `count` verifications, the keys of 64 senders in turn: milliseconds each. */
function verifications(verify: Verify): (count: number) => number {
  const message = randomBytes(200);
  const signed = Array.from({ length: BATCH }, (_, i) => {
    const signer = nodeSigner(bytes32(`bench ${i}`));
    return { publicKey: signer.publicKey, signature: signer.sign(message) };
  });
  return (count) => {
    const startedAt = performance.now();
    for (let i = 0; i < count; i += 1) {
      const { publicKey, signature } = must(signed[i % signed.length], 'a signature');
      if (!verify(publicKey, message, signature)) throw new Error('a valid signature was refused');
    }
    return (performance.now() - startedAt) / count;
  };
}

interface Cost {
  readonly blockMs: number;
  readonly decodeMs: number;
  readonly verifyMs: number;
}

/** Medians of the last blocks; a batch is verified beside each, because a shared machine's speed varies. */
function blocksOver(accounts: number): Cost {
  const msOf = verifications(nodeVerifier());
  const verifies: number[] = [];
  const world = new World({ checkpointInterval: 1_000n, logWindow: 2_000n });
  let state = withAccounts(world, accounts);
  const times: number[] = [];
  const decodes: number[] = [];
  for (let sequence = 1; sequence <= BLOCKS; sequence += 1) {
    const signed = holdsOver(world, { accounts, sequence, count: BATCH });
    const startedAt = performance.now();
    const transactions = signed.map((each) => {
      const read = readTransaction(each, nodeSha256);
      if (isFault(read)) throw read;
      return read;
    });
    const decodedAt = performance.now();
    const block: Block = { sequence: BigInt(sequence), timeMs: START_MS, transactions };
    const execution = execute(state, block, nodeSha256);
    times.push(performance.now() - decodedAt);
    decodes.push(decodedAt - startedAt);
    if (execution.results.some(({ code }) => code !== 'ok')) throw new Error('a hold was refused');
    state = execution.state;
    verifies.push(BATCH * msOf(BATCH));
  }
  const [blockMs, decodeMs, verifyMs] = [times, decodes, verifies].map((all) =>
    median(all.slice(-COUNTED)),
  ) as [number, number, number];
  return { blockMs, decodeMs, verifyMs };
}
