import { afterAll, beforeAll, expect, test } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { eagerAnswer, gatewayAnswer } from '#tests/support/ledger/client-port.ts';
import { forgedSeals, KEYS_OF_EPOCH_0, lyingLedger } from '#tests/support/ledger/lies.ts';
import {
  LedgerEndpoint,
  openLightTab,
  type LightTab,
} from '#tests/support/ledger-tab/light-tab.ts';

const { cluster, ofAnn, ofNobody } = lyingLedger();
const { world } = cluster;
const genesis = toHex(writeGenesis(world.genesis));
const pin = (sequence: number) => {
  const { header } = must(cluster.replica(0).blocks.get(sequence), 'a block');
  return `${sequence}:${toHex(headerHash(header, nodeSha256))}`;
};
const grant = (name: string) => cluster.submit(world.sign(world.grant(name)));

let tab: LightTab;
beforeAll(async () => {
  tab = await openLightTab((question) => gatewayAnswer(cluster, question));
});
afterAll(async () => {
  await tab[Symbol.asyncDispose]();
});

const begin = (origins: readonly string[], pinned?: string): Promise<void> =>
  tab.page.evaluate((given) => globalThis.lightPage.begin(given), {
    ...{ genesis, origins },
    ...(pinned === undefined ? {} : { pin: pinned }),
  });
const sync = () => tab.page.evaluate(() => globalThis.lightPage.sync());
const account = (name: string) =>
  tab.page.evaluate((key) => globalThis.lightPage.account(key), toHex(world.key(name)));

test('[L2] a tab verifies a live chain from its genesis, and keeps up with it', async () => {
  const { endpoint } = tab;
  await begin([endpoint.origin], pin(1));
  const { header, headerHash: hash } = cluster.replica(0).state.head;
  expect(await sync()).toEqual({
    ...{ code: 'ok', sequence: header.sequence, epoch: 3, headerHash: toHex(hash) },
    trust: 'pinned',
  });
  expect(await account('ann')).toMatchObject({ code: 'ok', starterMicro: '1000' });
  expect(await account('nobody')).toMatchObject({ code: 'ok', starterMicro: null });
  expect(await account('later')).toMatchObject({ starterMicro: null });
  grant('later');
  expect(await account('later')).toMatchObject({
    ...{ starterMicro: '1000', sequence: header.sequence + 1 },
  });
});

test('[L6] a tab believes no lie of a server', async () => {
  const { endpoint } = tab;
  for (const [name, lies] of [
    ['ann', ofAnn],
    ['nobody', ofNobody],
  ] as const) {
    endpoint.answer = (question) => gatewayAnswer(cluster, question);
    await begin([endpoint.origin], pin(1));
    const honest = await account(name);
    expect(honest.code).toBe('ok');
    for (const each of lies) {
      grant(`before ${each.name}`);
      endpoint.answer = (question) => each.lie(eagerAnswer(cluster, question), question);
      const { code, evidenceBytes } = await account(name);
      expect([each.name, code]).toEqual([each.name, each.code]);
      const isEvident = code === 'ledger/conflicting-certificates';
      expect(evidenceBytes !== undefined).toBe(isEvident);
    }
    endpoint.answer = (question) => gatewayAnswer(cluster, question);
    expect((await account(name)).starterMicro).toBe(honest.starterMicro);
  }
});

test('[L4] a tab that comes for the first time compares two servers', async () => {
  const { endpoint } = tab;
  endpoint.answer = (question) => gatewayAnswer(cluster, question);
  await begin([endpoint.origin]);
  expect((await sync()).code).toBe('ledger/stale');
  await using second = await LedgerEndpoint.open((question) => gatewayAnswer(cluster, question));
  await begin([endpoint.origin, second.origin]);
  expect(await sync()).toMatchObject({ code: 'ok', trust: 'two-sources' });
  // The second has a chain that keys of the first epoch, leaked since, have sealed.
  const { header } = must(cluster.replica(0).blocks.get(1), 'the first block');
  const forked = { ...header, timeMs: header.timeMs + 1 };
  second.answer = (question) =>
    question.type === 'read'
      ? {
          ...{ type: 'records', header: forked, records: [] },
          seals: [forgedSeals(forked, KEYS_OF_EPOCH_0)],
        }
      : gatewayAnswer(cluster, question);
  await begin([endpoint.origin, second.origin]);
  expect((await sync()).code).toBe('ledger/conflicting-certificates');
});

test('[L5] and in all that it connects to no other place', () => {
  const { origin } = tab.endpoint;
  const others = [...tab.reached].filter((url) => !url.startsWith(`${origin}/`));
  expect([...tab.reached].filter((url) => url.startsWith(origin)).sort()).toEqual([
    `${origin}/`,
    `${origin}/ledger/1`,
    `${origin}/light.js`,
  ]);
  // The second server of the test before, which the page was given by name.
  expect(others.map((url) => new URL(url).pathname)).toEqual(['/ledger/1']);
});
