import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkManifest } from '#lib/shard/package/check-manifest.ts';
import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { contribute, launchProfile, snapshotOf } from '#tests/support/browser.ts';
import { ChunkProxy } from '#tests/support/chunk-proxy.ts';
import { addOtherChunks, changeChunks, storedChunks, usedBytes } from '#tests/support/opfs.ts';
import { TestServer } from '#tests/support/server.ts';

const PACKAGE = 'public/models/smollm2-135m-instruct/manifest.json';
/** Answers that come whole before the download is stopped; the fetcher asks for four at once. */
const [WHOLE, AT_ONCE] = [12, 4];
const LOADED = ['ready', 'serving'];

/** What the whole model is in chunks: hash and bytes. */
async function modelChunks(): Promise<Map<string, number>> {
  const { tokenizer, parts } = checkManifest(JSON.parse(await readFile(PACKAGE, 'utf8')));
  const owners = [tokenizer, ...parts];
  return new Map(owners.flatMap(({ chunks }) => chunks.map((ref) => [ref.sha256, ref.bytes])));
}

/** One profile on disk, one tab after the other, and the chunks that cross the wire for it. */
describe('B4 what a tab stores', () => {
  let server: TestServer;
  let wire: ChunkProxy;
  let context: BrowserContext;
  let profile: string;
  let chunks: Map<string, number>;
  beforeAll(async () => {
    [server, profile, chunks] = await Promise.all([
      TestServer.start(['--no-seed-volunteer']),
      mkdtemp(join(tmpdir(), 'declai-storage-')),
      modelChunks(),
    ]);
    wire = await ChunkProxy.start(server.url);
    context = await launchProfile(profile);
  }, 90_000);
  afterAll(async () => {
    await context.close();
    await wire.end();
    await server.stop();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });

  const bytesOf = (hashes: readonly string[]): number =>
    hashes.reduce((sum, hash) => sum + (chunks.get(hash) ?? NaN), 0);
  const allBut = (hashes: readonly string[]): string[] =>
    [...chunks.keys()].filter((hash) => !hashes.includes(hash)).sort();

  async function open(): Promise<Page> {
    wire.forget();
    const page = await context.newPage();
    await page.goto(`${wire.url}/volunteer`);
    return page;
  }

  async function loaded(page: Page): Promise<VolunteerSnapshot> {
    const phase = async () => (await snapshotOf(page)).phase;
    await expect.poll(phase, { timeout: 60_000 }).toMatch(new RegExp(LOADED.join('|')));
    return snapshotOf(page);
  }

  /** Opens a tab whose store is changed before the click. */
  async function visit(change: (page: Page) => Promise<unknown>): Promise<Page> {
    const page = await open();
    await change(page);
    await contribute(page);
    return page;
  }

  test('[K6] a tab closed in mid-download resumes and fetches only what is missing', async () => {
    wire.holdAfter(WHOLE);
    const first = await open();
    await contribute(first);
    await expect.poll(() => wire.held, { timeout: 30_000 }).toBe(AT_ONCE);
    await expect
      .poll(async () => (await storedChunks(first)).length, { timeout: 30_000 })
      .toBe(WHOLE);
    const stored = await storedChunks(first);
    const begun = wire.sentBytes();
    await first.close();
    wire.release();

    const second = await open();
    expect(await storedChunks(second)).toEqual(stored);
    await contribute(second);
    const seen = await loaded(second);
    expect(wire.asked()).toEqual(allBut(stored));
    expect(wire.sentBytes()).toBe(bytesOf(allBut(stored)));
    expect([seen.bytesFromNetwork, seen.bytesFromCache]).toEqual([
      bytesOf(allBut(stored)),
      bytesOf(stored),
    ]);
    expect(begun).toBeLessThan(bytesOf(stored) + AT_ONCE * 2_200_000);
    await second.close();
  }, 180_000);

  test('[K6] one flipped bit, one evicted chunk, one damaged answer: only those come again', async () => {
    const [flipped = '', evicted = ''] = [...chunks.keys()].slice(20);
    const page = await visit(async (tab) => {
      await changeChunks(tab, { flip: [flipped], remove: [evicted] });
      wire.damageNext(evicted);
    });
    await loaded(page);
    expect(wire.asked()).toEqual([flipped, evicted, evicted].sort());
    await page.close();
    const again = await visit(() => Promise.resolve());
    expect((await loaded(again)).bytesFromNetwork).toBe(0);
    expect(wire.asked()).toEqual([]);
    await again.close();
  }, 180_000);

  test('[K11] at the quota chunks of another model go, longest unused first', async () => {
    const missing = [...chunks.keys()].slice(-4, -1);
    const others = ['a', 'b', 'c', 'd'].map((digit, i) => ({
      ...{ sha256: digit.repeat(64), bytes: 3_000_000, lastUsedMs: 4 - i },
    }));
    const page = await visit(async (tab) => {
      await changeChunks(tab, { remove: missing });
      await addOtherChunks(tab, others);
      await setQuota(await context.newCDPSession(tab), await usedBytes(tab));
    });
    await loaded(page);
    expect(wire.asked()).toEqual([...missing].sort());
    // What is missing takes 6.6 MB: the three oldest went for it, the one used last did not.
    const left = others.slice(0, 1).map(({ sha256 }) => sha256);
    expect(await storedChunks(page)).toEqual([...allBut([]), ...left].sort());
    await page.close();
  }, 180_000);

  test('[N6] at the quota the page says what to free; freed, it comes back with the missing chunks alone', async () => {
    const missing = [...chunks.keys()].slice(-4, -1);
    const page = await open();
    await changeChunks(page, { remove: [...missing, 'a'.repeat(64)] });
    const quota = await context.newCDPSession(page);
    // Far below what is there: Chromium's count follows the disk, and one that fell meanwhile would give room.
    await setQuota(quota, bytesOf([...chunks.keys()]) / 2);
    await contribute(page);
    await page.getByText(/no room for more layers: free disk space/).waitFor();
    expect((await snapshotOf(page)).reason).toBe('device.storage');
    const lacking = allBut(await storedChunks(page));
    expect(lacking).toEqual([...missing].sort());

    wire.forget();
    await setQuota(quota, null);
    // A whole range alone may be the one from before the store was full; why there is less is told until the next hello.
    const isBack = async () => {
      const { range, reason } = await snapshotOf(page);
      return range?.last === 29 && reason !== 'device.storage';
    };
    await expect.poll(isBack, { timeout: 60_000 }).toBe(true);
    expect((await loaded(page)).reason).not.toBe('device.storage');
    expect(wire.asked()).toEqual(lacking);
    expect((await storedChunks(page)).length).toBe(chunks.size);
    await page.close();
  }, 180_000);

  test('[K6] two tabs of one profile fetch and write each chunk once', async () => {
    const first = await open();
    await changeChunks(first, { remove: [...chunks.keys()] });
    const tabs = [first, await open()];
    wire.holdAfter(0);
    for (const tab of tabs) await contribute(tab);
    // Neither has the model before the other comes for it.
    const phases = () => Promise.all(tabs.map(async (tab) => (await snapshotOf(tab)).phase));
    await expect.poll(phases, { timeout: 60_000 }).toEqual(tabs.map(() => 'loading'));
    wire.release();
    const seen = await Promise.all(tabs.map(loaded));
    expect(seen.map(({ range }) => range)).toEqual(tabs.map(() => ({ first: 0, last: 29 })));
    expect(wire.asked()).toEqual(allBut([]));
    expect(wire.sentBytes()).toBe(bytesOf(allBut([])));
    // A tab writes what it fetched and nothing else: each chunk was written by one of them.
    const fetched = seen.map(({ bytesFromNetwork }) => bytesFromNetwork);
    expect(fetched.reduce((sum, bytes) => sum + bytes, 0)).toBe(wire.sentBytes());
    expect(Math.min(...fetched)).toBeGreaterThan(0);
    await Promise.all(tabs.map((tab) => tab.close()));
  }, 180_000);

  const setQuota = (session: CDPSession, quotaSize: number | null) =>
    session.send('Storage.overrideQuotaForOrigin', {
      origin: wire.url,
      ...(quotaSize === null ? {} : { quotaSize }),
    });
});
