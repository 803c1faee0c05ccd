import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '#lib/kernel/units.ts';
import { launchBrowser } from '#tests/support/browser.ts';
import { assertInterface, startNode, type Cluster } from '#tests/support/mesh-cluster.ts';
import { MeshTab, startMeshPages } from '#tests/support/mesh-tab/mesh-tab.ts';

/** Links between real tabs, with frames from worker to worker. */
describe('mesh in Chromium', { timeout: 90_000 }, () => {
  let browser: Browser;
  let cluster: Cluster;
  const pages: Page[] = [];

  beforeAll(async () => {
    assertInterface();
    cluster = await startMeshPages();
    browser = await launchBrowser();
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.context().close();
  });
  afterAll(async () => {
    await browser.close();
    await cluster.close();
  });

  async function openTab(): Promise<MeshTab> {
    const opened = await MeshTab.open(browser, cluster.url);
    pages.push(opened.page);
    return opened;
  }

  const lastOf = async (tab: MeshTab) => (await tab.reports('received')).at(-1)?.inOrder ?? 0;
  const FRAMES = Math.ceil((10 * MIB) / (128 * 576 * 4));

  it('[S12] two tabs: a transferred channel carries 10 MB in order and a row there and back', async () => {
    const [a, b] = [await openTab(), await openTab()];
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await a.until('link-open direct', 10_000);
    await b.until('link-open direct', 10_000);
    expect(await a.events()).toContain('link-port rtc');
    await a.order({ type: 'send', peer: b.id, frames: FRAMES });
    /** What arrived, and whether the link is still the one that opened. */
    const arrived = async () => ({ inOrder: await lastOf(b), ended: await b.reports('ended') });
    await expect.poll(arrived, { timeout: 60_000 }).toEqual({ inOrder: FRAMES, ended: [] });
    const trips = await a.roundTrips(b.id, 300);
    expect(trips.p50Ms).toBeLessThan(20);
    await expect
      .poll(() => a.link())
      .toMatchObject({ state: 'open', path: 'direct', rttMs: expect.any(Number) as number });
    // The connection's counters are read with each heartbeat.
    const bytesSent = async () => (await a.link())?.bytesSent;
    await expect.poll(bytesSent).toBeGreaterThan(10 * MIB);
    // And how fast it is, by trains from main thread to main thread.
    await Promise.all([a.rest(), b.rest()]);
    const speed = async () => (await a.link())?.bytesPerMs ?? 0;
    await expect.poll(speed, { timeout: 10_000 }).toBeGreaterThan(5_000);
    const info = await a.link();
    expect(cluster.hub.relayedBytes()).toBe(0);
    process.stdout.write(
      `row of 2 304 bytes, worker to worker and back: p50 ${trips.p50Ms.toFixed(2)} ms, ` +
        `p90 ${trips.p90Ms.toFixed(2)} ms; control RTT ${info?.rttMs?.toFixed(2) ?? ''} ms\n`,
    );
  });

  it('[V2] a closed tab: its links end at the other side within 1 s', async () => {
    const [a, b] = [await openTab(), await openTab()];
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await a.until('link-open direct', 10_000);
    await b.until('link-open direct', 10_000);
    await b.page.close();
    await a.until('link-closed', 1_000);
    await expect.poll(() => a.reports('ended'), { timeout: 1_000 }).toHaveLength(1);
  });

  it('[M4] a worker that closes its channel ends the link, on both main threads too', async () => {
    const [a, b] = [await openTab(), await openTab()];
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await a.until('link-open direct', 10_000);
    await b.until('link-open direct', 10_000);
    await a.order({ type: 'close', peer: b.id });
    await expect.poll(() => b.reports('ended')).toHaveLength(1);
    await a.until('link-closed', 10_000);
    await b.until('link-closed', 10_000);
  });

  it('[M6] a tab and a Node process that hides its addresses: by the relay', async () => {
    const a = await openTab();
    const node = startNode(cluster.url, { relayOnly: true });
    await expect.poll(() => node.saw('online')).toBeDefined();
    cluster.hub.setRelayRule(() => true);
    cluster.hub.introduce(a.id, node.id, { relayOnly: false });
    await a.until('link-open relay', 10_000);
    await expect.poll(() => node.saw('link-open', a.id)).toBeDefined();
    let rows = 0;
    node.channel(a.id).onFrames((frames) => (rows += frames.length));
    await a.order({ type: 'send', peer: node.id, frames: FRAMES });
    await expect.poll(() => rows, { timeout: 60_000 }).toBe(FRAMES);
    node.mesh.stop();
  });

  it('[M2] a tab and a Node process link directly', async () => {
    const a = await openTab();
    const node = startNode(cluster.url);
    await expect.poll(() => node.saw('online')).toBeDefined();
    cluster.hub.introduce(node.id, a.id, { relayOnly: false });
    await a.until('link-open direct', 10_000);
    await expect.poll(() => node.saw('link-open', a.id)).toBeDefined();
    let rows = 0;
    node.channel(a.id).onFrames((frames) => (rows += frames.length));
    await a.order({ type: 'send', peer: node.id, frames: 10 });
    await expect.poll(() => rows).toBe(10);
    node.mesh.stop();
  });

  it('[M1] tabs of one profile are nodes of one identity, kept across reloads', async () => {
    const context = await browser.newContext();
    const [first, second] = [await context.newPage(), await context.newPage()];
    pages.push(first);
    await Promise.all([first.goto(cluster.url), second.goto(cluster.url)]);
    const ids = await Promise.all([first, second].map((p) => p.evaluate(() => tab.identity())));
    await first.reload();
    ids.push(await first.evaluate(() => tab.identity()));
    expect(new Set(ids).size).toBe(1);
  });
});
