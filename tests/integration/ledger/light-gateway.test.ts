import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { httpSource } from '#lib/ledger/client/http-source.ts';
import { decodeAnswer } from '#lib/ledger/client/wire/answers.ts';
import { encodeRequest } from '#lib/ledger/client/wire/requests.ts';
import { ChildServer } from '#tests/support/child-server.ts';
import { openLightTab, type LightTab } from '#tests/support/ledger-tab/light-tab.ts';

let server: ChildServer;
let tab: LightTab;
beforeAll(async () => {
  server = await ChildServer.start(['--no-seed-volunteer']);
  // It only serves the page: what the page asks, it asks the server.
  tab = await openLightTab(() => ({ type: 'refused', code: 'ledger/busy', retryAfterMs: 0 }));
}, 60_000);
afterAll(async () => {
  await tab[Symbol.asyncDispose]();
  await server.end();
});

const path = (name: string): string => `${server.url}/ledger/1${name}`;
const post = async (body: Uint8Array<ArrayBuffer>): Promise<Uint8Array> => {
  const headers = { 'content-type': 'application/octet-stream' };
  const response = await fetch(path(''), { method: 'POST', headers, body });
  return new Uint8Array(await response.arrayBuffer());
};

test('[G34] a tab verifies the chain of the server’s own replicas through its gateway', async () => {
  const source = httpSource(server.url);
  // Replicas are started last, and make their keys and genesis first.
  const status = await vi.waitFor(
    async () => {
      const reply = await source.ask({ type: 'status' });
      if (reply.type !== 'status' || reply.executed === 0) throw new Error('no block yet');
      return reply;
    },
    { timeout: 40_000, interval: 250 },
  );
  const genesis = toHex(new Uint8Array(await (await fetch(path('/genesis'))).arrayBuffer()));
  const seen = await tab.page.evaluate(
    async (given) => {
      await globalThis.lightPage.begin(given);
      const head = await globalThis.lightPage.sync();
      return [head, await globalThis.lightPage.account('00'.repeat(32))];
    },
    { genesis, origins: [server.url, server.url] },
  );
  expect(seen[0]).toMatchObject({ code: 'ok', epoch: 0, trust: 'two-sources' });
  expect(seen[0]?.sequence).toBeGreaterThanOrEqual(status.stable);
  expect(seen[1]).toMatchObject({ code: 'ok', starterMicro: null });
}, 60_000);

test('[G34] what is no question is refused by code, and a large one is not read', async () => {
  const answer = decodeAnswer(await post(Uint8Array.of(99, 0, 0, 0, 1)));
  expect(answer).toMatchObject({ tag: 0, type: 'refused', code: 'wire/malformed' });
  const large = await fetch(path(''), { method: 'POST', body: new Uint8Array(80 * 1024) });
  expect([large.status, (await large.json()) as unknown]).toMatchObject([
    413,
    { error: { code: 'request_too_large' } },
  ]);
  expect((await fetch(path(''))).status).toBe(405);
  expect((await fetch(path('/other'))).status).toBe(404);
});

test('[G34] one address has so many questions under way, and no more', async () => {
  // Answered only by a quorum that has come so far, so these wait for replicas' answers.
  const ahead = { type: 'read', at: 'newest', minSequence: 1, keys: [] } as const;
  const answers = await Promise.all(
    Array.from({ length: 40 }, async (_, i) =>
      decodeAnswer(await post(Uint8Array.from(encodeRequest({ tag: i + 1, ...ahead })))),
    ),
  );
  const codes = answers.map((each) =>
    isFault(each) ? each.code : each.type === 'refused' ? each.code : each.type,
  );
  expect(codes.filter((code) => code === 'records').length).toBeGreaterThanOrEqual(16);
  // How many were ever open at once, the machine decides; what then happens, tests/unit/gateway shows.
  for (const code of codes) expect(['records', 'ledger/busy']).toContain(code);
});
