import { expect, test } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { utf8 } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import { adoptEnd } from '#lib/ledger/client/light/adopt.ts';
import { lightGenesis } from '#lib/ledger/client/light/chain.ts';
import { sealChecks, weightOf } from '#lib/ledger/client/light/electors.ts';
import { weigh } from '#lib/ledger/client/light/weigh.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';
import { decodeAnswer, encodeAnswer, type Reply } from '#lib/ledger/client/wire/answers.ts';
import { endsPage } from '#lib/ledger/client/wire/ends-page.ts';
import type { Question } from '#lib/ledger/client/wire/requests.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { answerOf, gatewayAnswer, sourceOf, type Lie } from '#tests/support/ledger/client-port.ts';
import { forgedSeals, lyingLedger } from '#tests/support/ledger/lies.ts';
import {
  clientOf,
  faultOf,
  ledger,
  MemoryStore,
  pinned,
  sourceIn,
} from '#tests/support/ledger/light-clients.ts';
import { bytes32, DAY } from '#tests/support/ledger/world.ts';

test('[L2] from the genesis over epochs with other keys to the newest header', async () => {
  const cluster = ledger(1);
  const client = pinned(cluster);
  expect(await client.sync()).toMatchObject({ sequence: 2, epoch: 0, trust: 'pinned' });
  cluster.rotate(1, 'new vote 1');
  cluster.rotate(2, 'new vote 2');
  cluster.submit(cluster.world.sign(cluster.world.grant('late')));
  const { header, headerHash: hash } = cluster.replica(0).state.head;
  const head = await client.sync();
  expect(head).toEqual({
    ...{ sequence: header.sequence, headerHash: hash, epoch: 2, timeMs: header.timeMs },
    ...{ isStale: false, trust: 'pinned' },
  });
  // And who begins only now comes to the same place.
  expect((await pinned(cluster).sync()).headerHash).toEqual(hash);
});

test('[L2] a source without q SEALs of the newest block gives the last checkpoint', async () => {
  const cluster = ledger(10);
  const alone = sourceOf((question) => answerOf(cluster.replica(0), question));
  const client = pinned(cluster, { sources: [alone] });
  expect((await client.sync()).sequence).toBe(8);
});

test('[L2] an epoch’s end needs q SEALs, its member list and its turn', async () => {
  const cluster = ledger(1);
  cluster.rotate(1, 'new vote 1');
  cluster.rotate(2, 'new vote 2');
  cluster.submit(cluster.world.sign(cluster.world.grant('late')));
  const [first, second] = cluster.replica(0).state.epochEnds;
  const wrong = [
    [
      {
        ...first!,
        certificate: { ...first!.certificate, seals: first!.certificate.seals.slice(1, 3) },
      },
    ],
    [{ ...first!, membership: second!.membership }],
    [second!],
    [first!, { ...second!, header: { ...second!.header, nextMembersHash: bytes32('other') } }],
    [],
  ];
  for (const ends of wrong) {
    const lie: Lie = (reply) => (reply.type === 'epoch-ends' ? { ...reply, ends } : reply);
    const client = pinned(cluster, { sources: [sourceIn(cluster, lie)] });
    expect((await faultOf(client.sync())).code).toBe('ledger/unproven');
  }
});

test('[L2] ends of epochs come page by page, and a source that has no more of them is not asked for ever', async () => {
  const cluster = ledger(1);
  for (const i of [1, 2]) cluster.rotate(i, `new vote ${i}`);
  cluster.submit(cluster.world.sign(cluster.world.grant('late')));
  const asked: number[] = [];
  const paged = sourceOf((question) => {
    const reply = gatewayAnswer(cluster, question);
    if (question.type !== 'epoch-ends' || reply.type !== 'epoch-ends') return reply;
    asked.push(question.from);
    return { ...reply, ends: reply.ends.slice(0, question.from < most ? 1 : 0) };
  });
  let most = 9;
  expect(await pinned(cluster, { sources: [paged] }).sync()).toMatchObject({ epoch: 2 });
  expect(asked.splice(0)).toEqual([0, 1]);
  most = 1;
  const code = (await faultOf(pinned(cluster, { sources: [paged] }).sync())).code;
  expect([code, asked]).toEqual(['ledger/unproven', [0, 1]]);
});

test('[L2] an answer has as many ends of epochs as it may: after thousands of epochs it still decodes', () => {
  const cluster = ledger(1);
  cluster.rotate(1, 'new vote 1');
  const [end] = cluster.replica(0).state.epochEnds;
  for (const membership of [end!.membership, new Uint8Array(60_000)]) {
    const ends = endsPage(Array.from({ length: 3_000 }, () => ({ ...end!, membership })));
    expect(ends.length).toBeGreaterThan(9);
    const bytes = encodeAnswer({ type: 'epoch-ends', tag: 1, ends });
    expect(bytes.length).toBeLessThan(2 * CLIENT_LIMITS.answerBytesAim);
    expect(decodeAnswer(bytes)).toMatchObject({ type: 'epoch-ends' });
  }
  const long = { ...end!, membership: new Uint8Array(2 * CLIENT_LIMITS.answerBytesAim) };
  expect(endsPage([long, long])).toEqual([long]);
});

test('[L2] a SEAL counts once a replica, and only above the last block before its epoch', () => {
  const cluster = ledger(1);
  cluster.rotate(1, 'new vote 1');
  const { genesis } = cluster.world;
  const made = lightGenesis(writeGenesis(genesis), nodeSha256);
  if (isFault(made)) throw made;
  const adopted = adoptEnd(made.light, cluster.replica(0).state.epochEnds[0]!, nodeSha256);
  if (isFault(adopted)) throw adopted;
  const { light } = adopted;
  const { electors, base } = light.epochs[1]!;
  const { header } = must(cluster.replica(0).blocks.get(base), 'the last block of epoch 0');
  const keys = ['vote 0', 'new vote 1', 'vote 2', 'vote 3'];
  const weighed = (of: typeof header) =>
    weigh(light, { header: of, seals: [forgedSeals(of, keys)] }, nodeSha256);
  expect(weighed({ ...header, epoch: 1, sequence: base + 1 })).toMatchObject({ weight: 'header' });
  expect(isFault(weighed({ ...header, epoch: 1 }), 'ledger/unproven')).toBe(true);
  const set = forgedSeals(header, keys);
  const [seal] = set.seals;
  const repeated = { ...set, seals: [seal!, seal!, seal!] };
  expect(weightOf(electors, repeated)).toBe('none');
  expect(sealChecks(electors, repeated)).toBeNull();
});

test('[L3] the newest is never left for an older head, nor for one that does not follow it', async () => {
  const cluster = ledger(10);
  const before = sourceOf((question) =>
    answerOf(cluster.replica(0), { ...question, at: 'certified' } as Question),
  );
  const client = pinned(cluster);
  const { sequence } = await client.sync();
  const behind = pinned(cluster, { sources: [before] });
  expect((await behind.sync()).sequence).toBe(8);
  const lies: readonly (readonly [Lie, string])[] = [
    [
      (reply) => (reply.type === 'history' ? { ...reply, path: [...reply.path].reverse() } : reply),
      'ledger/unproven',
    ],
    [(reply) => (reply.type === 'history' ? { ...reply, path: [] } : reply), 'ledger/unproven'],
    [
      (reply, question) =>
        reply.type === 'records'
          ? answerOf(cluster.replica(0), {
              ...question,
              at: 'certified',
              minSequence: 0,
            } as Question)
          : reply,
      'ledger/stale',
    ],
  ];
  let lie: Lie = (reply) => reply;
  const tried = pinned(cluster, { sources: [sourceIn(cluster, (...args) => lie(...args))] });
  await tried.sync();
  for (let i = 0; i < 3; i += 1) cluster.submit(cluster.world.sign(cluster.world.grant(`q${i}`)));
  for (const [each, code] of lies) {
    lie = each;
    expect((await faultOf(tried.sync())).code).toBe(code);
  }
  lie = (reply) => reply;
  // What failed has changed nothing.
  expect((await tried.sync()).sequence).toBe(sequence + 3);
});

test('[L3] the first step from the genesis needs no path: its SEALs name the chain', async () => {
  const cluster = ledger(4);
  const asked: string[] = [];
  const source = sourceIn(cluster, (reply, question) => {
    asked.push(question.type);
    return reply;
  });
  const { header, headerHash: hash } = cluster.replica(0).state.head;
  const pin = { sequence: header.sequence, headerHash: hash };
  expect(await clientOf(cluster, { sources: [source], pin }).sync()).toMatchObject({ sequence: 5 });
  expect(asked).not.toContain('history');
});

test('[L3] a source that keeps no history shows the headers between instead', async () => {
  const cluster = ledger(2);
  let lied: Lie = (reply) => reply;
  const source = sourceIn(cluster, (reply, question) =>
    question.type === 'history'
      ? { type: 'refused', code: 'request/not-found', retryAfterMs: 0 }
      : lied(reply, question),
  );
  const client = pinned(cluster, { sources: [source] });
  expect((await client.sync()).sequence).toBe(3);
  for (let i = 0; i < 5; i += 1) cluster.submit(cluster.world.sign(cluster.world.grant(`q${i}`)));
  const blocks =
    (change: (all: (Reply & { type: 'blocks' })['blocks']) => object): Lie =>
    (reply) =>
      reply.type === 'blocks' ? ({ ...reply, blocks: change(reply.blocks) } as Reply) : reply;
  for (const lie of [
    blocks((all) => all.slice(1)),
    blocks((all) => [...all].reverse()),
    blocks((all) => all.map((each) => ({ ...each, header: { ...each.header, timeMs: 1 } }))),
  ]) {
    lied = lie;
    expect((await faultOf(client.sync())).code).toBe('ledger/unproven');
  }
  lied = (reply) => reply;
  expect((await client.sync()).sequence).toBe(8);
});

test('[L4] who knows nothing fresh wants a pin or two sources that agree, and says which', async () => {
  const cluster = ledger(4);
  expect((await faultOf(clientOf(cluster).sync())).code).toBe('ledger/stale');
  const genesis = { sequence: 0, headerHash: bytes32('any') };
  expect((await faultOf(clientOf(cluster, { pin: genesis }).sync())).code).toBe('ledger/stale');
  const ahead = { sequence: 99, headerHash: bytes32('any') };
  expect((await faultOf(clientOf(cluster, { pin: ahead }).sync())).code).toBe('ledger/stale');
  const wrong = { sequence: 2, headerHash: bytes32('other') };
  expect((await faultOf(clientOf(cluster, { pin: wrong }).sync())).code).toBe('ledger/unproven');
  const same = [sourceIn(cluster), sourceIn(cluster)] as const;
  expect(await clientOf(cluster, { sources: same }).sync()).toMatchObject({
    ...{ sequence: 5, trust: 'two-sources' },
  });
});

test('[L4] two sources may stand at different blocks of one chain', async () => {
  const cluster = ledger(10);
  const old = sourceOf((question) =>
    question.type === 'read'
      ? answerOf(cluster.replica(0), { ...question, at: 'certified' })
      : gatewayAnswer(cluster, question),
  );
  for (const sources of [
    [sourceIn(cluster), old],
    [old, sourceIn(cluster)],
  ] as const) {
    const head = await clientOf(cluster, { sources }).sync();
    expect(head).toMatchObject({ sequence: sources[0] === old ? 8 : 11, trust: 'two-sources' });
  }
});

test('[L4] own knowledge lasts as long as the trusting period', async () => {
  const cluster = ledger(2);
  const store = new MemoryStore();
  await pinned(cluster, { store }).sync();
  const again = clientOf(cluster, { store });
  expect(await again.sync()).toMatchObject({ sequence: 3, trust: 'own' });
  cluster.world.timeMs += 31n * DAY;
  expect((await faultOf(clientOf(cluster, { store }).sync())).code).toBe('ledger/stale');
  expect((await faultOf(again.sync())).code).toBe('ledger/stale');
  // A damaged store is none, and so is another chain's.
  store.image = Uint8Array.from(must(store.image, 'an image'));
  store.image[store.image.length - 1]! ^= 1;
  cluster.world.timeMs -= 31n * DAY;
  expect((await faultOf(clientOf(cluster, { store }).sync())).code).toBe('ledger/stale');
});

test('[L6] accounts, their absence, outcomes and blocks are shown under the head', async () => {
  const cluster = ledger(2);
  const { world } = cluster;
  const client = pinned(cluster);
  const { value, head } = await client.accountOf(world.key('ann'));
  expect(value).toMatchObject({ starterMicro: 1_000n, id: world.id('ann') });
  expect(head).toMatchObject({ sequence: 3, isStale: false });
  expect((await client.accountOf(world.key('nobody'))).value).toBeNull();
  const block = await client.block(2);
  expect(block.value).toHaveLength(1);
  const { outcome } = block.value[0]!;
  expect((await client.outcome(outcome.id)).value).toEqual({
    id: outcome.id,
    sequence: 2,
    code: 'ok',
  });
  expect((await faultOf(client.outcome(bytes32('none')))).code).toBe('request/not-found');
  world.timeMs += 31_000n;
  expect((await client.sync()).isStale).toBe(true);
});

test('[L6] no lie about an outcome or a block is believed', async () => {
  const cluster = ledger(10);
  const { world } = cluster;
  // The first has a block of its own, the others one together.
  world.timeMs += 20n;
  cluster.submit(
    world.sign(world.grant('x')),
    world.sign(world.grant('y')),
    world.sign(world.grant('z')),
  );
  let lie: Lie = (reply) => reply;
  const client = pinned(cluster, { sources: [sourceIn(cluster, (...args) => lie(...args))] });
  const top = (await client.sync()).sequence;
  const { id } = (await client.block(top)).value[0]!.outcome;
  const other = (await client.block(3)).value[0]!.outcome.id;
  const told = { type: 'outcome', id: other } as const;
  const executed =
    (change: (reply: Reply & { type: 'executed' }) => Reply): Lie =>
    (reply) =>
      reply.type === 'executed' ? change(reply) : reply;
  const bent = (bytes: Uint8Array, at: number) => bytes.with(at, bytes[at]! ^ 1) as Uint8Array;
  const wrong: readonly Lie[] = [
    executed((reply) => ({ ...reply, result: bent(reply.result, 40) })),
    executed((reply) => ({ ...reply, result: bent(reply.result, 0) })),
    executed((reply) => ({ ...reply, index: reply.index + 1 })),
    executed((reply) => ({ ...reply, count: reply.count + 1 })),
    executed((reply) => ({ ...reply, path: reply.path.map(() => bytes32('sibling')) })),
    executed(() => gatewayAnswer(cluster, told)),
    executed((reply) => ({ ...reply, header: { ...reply.header, resultsRoot: bytes32('root') } })),
  ];
  for (const each of wrong) {
    lie = each;
    expect((await faultOf(client.outcome(id))).code).toBe('ledger/unproven');
  }
  const blocks =
    (change: (block: (Reply & { type: 'blocks' })['blocks'][number]) => object): Lie =>
    (reply) =>
      reply.type === 'blocks'
        ? { ...reply, blocks: reply.blocks.map((block) => ({ ...block, ...change(block) })) }
        : reply;
  const bad: readonly Lie[] = [
    blocks(({ results }) => ({ results: results.slice(1) })),
    blocks(({ results }) => ({ results: results.map((each) => bent(each, 40)) })),
    blocks(({ batch }) => ({ batch: bent(batch, batch.length - 1) })),
    blocks(() => ({ batch: utf8('no batch') })),
    blocks(({ header }) => ({ header: { ...header, timeMs: header.timeMs + 1 } })),
    (reply) =>
      reply.type === 'blocks'
        ? gatewayAnswer(cluster, { type: 'blocks', from: 4, count: 1 })
        : reply,
  ];
  for (const each of bad) {
    lie = each;
    expect((await faultOf(client.block(3))).code).toBe('ledger/unproven');
  }
  lie = (reply) => reply;
  expect((await client.block(3)).value).toHaveLength(1);
});

test('[L6] no lie of a server about an account is believed', async () => {
  const { cluster, ofAnn, ofNobody } = lyingLedger();
  for (const [name, lies] of [
    ['ann', ofAnn],
    ['nobody', ofNobody],
  ] as const) {
    let lie: Lie = (reply) => reply;
    const client = pinned(cluster, { sources: [sourceIn(cluster, (...args) => lie(...args))] });
    const key = cluster.world.key(name);
    const honest = (await client.accountOf(key)).value;
    expect(honest === null).toBe(name === 'nobody');
    for (const each of lies) {
      // A block that the client has no certificate of yet.
      const { world } = cluster;
      cluster.submit(world.sign(world.grant(`before ${each.name}`)));
      lie = each.lie;
      const fault = await faultOf(client.accountOf(key));
      expect([each.name, fault.code]).toEqual([each.name, each.code]);
    }
    lie = (reply) => reply;
    expect((await client.accountOf(key)).value).toEqual(honest);
  }
});
