import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { BodyOf } from '#lib/ledger/account/codec/bodies.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import { recordKey } from '#lib/ledger/account/records/kinds.ts';
import { writeTranscript, type Exchange } from '#lib/ledger/client/transcript.ts';
import type { Question } from '#lib/ledger/client/wire/requests.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { allSeals, gatewayAnswer } from '#tests/support/ledger/client-port.ts';
import { LocalCluster } from '#tests/support/ledger/local-cluster.ts';

/**
 * A ledger's life over three epochs, in bytes: accounts, a job that is held, captured and paid, a refusal,
 * a replica's new key, new parameters; and what shows it to who has the genesis.
 */
export function goldenChain(): { readonly genesis: Uint8Array; readonly transcript: Uint8Array } {
  const cluster = new LocalCluster();
  const { world } = cluster;
  const ids: Uint8Array[] = [];
  const order = (...asked: readonly Parameters<typeof world.sign>[0][]): void => {
    const transactions = asked.map((ask) => world.sign(ask));
    for (const bytes of transactions) {
      const read = readTransaction(bytes, nodeSha256);
      if (isFault(read)) throw read;
      ids.push(read.id);
    }
    world.timeMs += 250n;
    cluster.submit(...transactions);
  };
  order(world.grant('ann', 5_000n), world.grant('bob'));
  const job = world.holdId('job');
  order(world.hold(job, 'ann', { amountMicro: 600n }));
  order(world.hold(world.holdId('too much'), 'bob', { amountMicro: 9_000n }));
  order(world.capture(job, 450n));
  order(world.mint(job, { potMicro: 200n }));
  cluster.rotate(1, 'new vote 1');
  order(world.grant('carol'));
  const parameters = { ...world.genesis.parameters, burnPpm: 20_000n };
  cluster.change<BodyOf<'set-parameters'>>({ type: 'set-parameters', ...parameters });
  order(world.hold(world.holdId('open'), 'bob'), world.void(world.holdId('none')));
  const head = Number(world.sequence);

  const key = (name: string) => recordKey('account', world.id(name), nodeSha256);
  const id = (index: number) => must(ids[index], 'a transaction');
  const questions: readonly Question[] = [
    { type: 'epoch-ends', from: 0 },
    { type: 'blocks', from: 1, count: head },
    { type: 'read', at: 'newest', minSequence: 0, keys: ['ann', 'bob', 'worker', 'nobody'].map(key) },
    { type: 'outcome', id: id(0) },
    { type: 'outcome', id: id(3) },
    { type: 'history', sequence: 3, of: head },
  ];
  const exchanges = questions.map((question): Exchange => {
    const reply = gatewayAnswer(cluster, question);
    if (reply.type !== 'blocks') return { question, reply };
    const blocks = reply.blocks.map((block) => ({
      ...block,
      seals: allSeals(cluster, block.header).seals,
    }));
    return { question, reply: { ...reply, blocks } };
  });
  return { genesis: writeGenesis(world.genesis), transcript: writeTranscript(exchanges) };
}
