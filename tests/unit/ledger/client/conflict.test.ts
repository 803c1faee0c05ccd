import { expect, test } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { fromHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import { adoptEnd } from '#lib/ledger/client/light/adopt.ts';
import { lightGenesis } from '#lib/ledger/client/light/chain.ts';
import { judgeConflict, readEvidence } from '#lib/ledger/client/light/conflict.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { gatewayAnswer, type Lie } from '#tests/support/ledger/client-port.ts';
import { forgedSeals, KEYS_OF_EPOCH_0 } from '#tests/support/ledger/lies.ts';
import {
  clientOf,
  faultOf,
  ledger,
  pinned,
  sourceIn,
  verify,
} from '#tests/support/ledger/light-clients.ts';
import type { LocalCluster } from '#tests/support/ledger/local-cluster.ts';

test('[L7] two certificates for one place are evidence, whoever reads it later', async () => {
  const cluster = ledger(3);
  const { world } = cluster;
  const told = must(cluster.replica(0).blocks.get(4), 'a block').header;
  const forked = { ...told, timeMs: told.timeMs + 1 };
  const lie: Lie = (reply) =>
    reply.type === 'records'
      ? { ...reply, header: forked, seals: [forgedSeals(forked, KEYS_OF_EPOCH_0)] }
      : reply;
  let isLying = false;
  const source = sourceIn(cluster, (...args) => (isLying ? lie(...args) : args[0]));
  const client = pinned(cluster, { sources: [source] });
  await client.sync();
  isLying = true;
  const fault = await faultOf(client.sync());
  expect(fault.code).toBe('ledger/conflicting-certificates');
  const bytes = must(fromHex(String(fault.details['evidence'])), 'evidence');
  const verdict = judged(cluster, bytes);
  if (isFault(verdict)) throw verdict;
  expect(verdict.both).toEqual([1, 2, 3]);
  expect(verdict.checks.every((each) => verify(each.publicKey, each.message, each.signature))).toBe(
    true,
  );
  // The same block twice convicts nobody, nor do bytes that were changed.
  const read = readEvidence(bytes, nodeSha256);
  if (isFault(read)) throw read;
  const light = lightOf(cluster);
  const { first } = read.conflict;
  expect(isFault(judgeConflict(light, { first, second: first, link: null }, nodeSha256))).toBe(
    true,
  );
  expect(isFault(readEvidence(bytes.subarray(1), nodeSha256))).toBe(true);
  expect(world.sequence).toBe(4n);
});

const lightOf = (cluster: LocalCluster) => {
  const made = lightGenesis(writeGenesis(cluster.world.genesis), nodeSha256);
  if (isFault(made)) throw made;
  return made.light;
};

/** As somebody with the genesis and the evidence judges. */
function judged(cluster: LocalCluster, bytes: Uint8Array) {
  const read = readEvidence(bytes, nodeSha256);
  if (isFault(read)) return read;
  let light = lightOf(cluster);
  for (const end of read.ends) {
    const judgement = adoptEnd(light, end, nodeSha256);
    if (isFault(judgement)) return judgement;
    light = judgement.light;
  }
  return judgeConflict(light, read.conflict, nodeSha256);
}

test('[L7] two chains of different heights convict by their histories', async () => {
  // The same network until block 3; then leaked keys seal another, and it goes on from there.
  const [cluster, fork] = [ledger(2), ledger(2)];
  const seen = pinned(cluster, { sources: [sourceIn(cluster, (...args) => told(...args))] });
  let isForked = false;
  const told: Lie = (reply, question) => (isForked ? gatewayAnswer(fork, question) : reply);
  cluster.submit(cluster.world.sign(cluster.world.grant('here')));
  for (let i = 0; i < 4; i += 1) fork.submit(fork.world.sign(fork.world.grant(`there ${i}`)));
  expect((await seen.sync()).sequence).toBe(4);
  isForked = true;
  const fault = await faultOf(seen.sync());
  expect(fault.code).toBe('ledger/conflicting-certificates');
  const verdict = judged(cluster, must(fromHex(String(fault.details['evidence'])), 'evidence'));
  if (isFault(verdict)) throw verdict;
  expect(verdict.checks.every((each) => verify(each.publicKey, each.message, each.signature))).toBe(
    true,
  );
  // Two sources that follow the two do not agree either.
  const sources = [sourceIn(cluster), sourceIn(fork)] as const;
  const compared = await faultOf(clientOf(cluster, { sources }).sync());
  expect(compared.code).toBe('ledger/conflicting-certificates');
});
