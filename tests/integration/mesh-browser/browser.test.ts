import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '#lib/kernel/units.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { launchBrowser } from '#tests/support/browser.ts';
import {
  assertInterface,
  PROFILE,
  startCluster,
  startNode,
  type Cluster,
} from '../mesh/cluster.ts';
import type { Order, Report } from './worker.ts';

/** Links between real tabs, with frames from worker to worker. */
describe('mesh in Chromium', { timeout: 90_000 }, () => {
  let browser: Browser;
  let cluster: Cluster;
  const pages: Page[] = [];

  beforeAll(async () => {
    assertInterface();
    const [page, worker] = await Promise.all(['page.ts', 'worker.ts'].map(bundle));
    const html = '<!doctype html><title>mesh</title><script src="/page.js"></script>';
    const files: Record<string, string | undefined> = { '/page.js': page, '/worker.js': worker };
    cluster = await startCluster((request, response) => {
      const script = files[request.url ?? ''];
      response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript');
      response.end(script ?? html);
    });
    browser = await launchBrowser();
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.context().close();
  });
  afterAll(async () => {
    await browser.close();
    await cluster.close();
  });

  async function bundle(entry: string): Promise<string> {
    const simplePeer = createRequire(import.meta.url).resolve('simple-peer/simplepeer.min.js');
    const built = await build({
      entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
      bundle: true,
      write: false,
      format: 'iife',
      alias: { 'simple-peer': simplePeer },
    });
    return built.outputFiles[0]?.text ?? '';
  }

  interface OpenTab {
    readonly page: Page;
    readonly id: NodeId;
    readonly order: (order: Order) => Promise<void>;
    readonly reports: <T extends Report['type']>(
      type: T,
    ) => Promise<Extract<Report, { type: T }>[]>;
    readonly events: () => Promise<string[]>;
  }

  async function openTab(relayOnly = false): Promise<OpenTab> {
    const page = await (await browser.newContext()).newPage();
    pages.push(page);
    await page.goto(cluster.url);
    const id = await page.evaluate(([profile, relay]) => tab.start(profile, { relayOnly: relay }), [
      PROFILE,
      relayOnly,
    ] as const);
    const seen = () => page.evaluate(() => tab.seen());
    const events = async () =>
      (await seen()).events.map((event) => {
        const detail =
          event.type === 'link-port' ? event.port.kind : 'path' in event ? event.path : '';
        return `${event.type} ${detail}`.trim();
      });
    await expect.poll(events, { timeout: 10_000 }).toContain('online');
    return {
      page,
      id,
      order: (order) => page.evaluate((given) => tab.order(given), order),
      reports: async <T extends Report['type']>(type: T) =>
        (await seen()).reports.filter(
          (report): report is Extract<Report, { type: T }> => report.type === type,
        ),
      events,
    };
  }

  const lastOf = async (tab: OpenTab) => (await tab.reports('received')).at(-1)?.inOrder ?? 0;
  const FRAMES = Math.ceil((10 * MIB) / (128 * 576 * 4));

  it('[S12] two tabs: a transferred channel carries 10 MB in order and a row there and back', async () => {
    const [a, b] = [await openTab(), await openTab()];
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await expect.poll(a.events, { timeout: 10_000 }).toContain('link-open direct');
    await expect.poll(b.events, { timeout: 10_000 }).toContain('link-open direct');
    expect(await a.events()).toContain('link-port rtc');
    await a.order({ type: 'send', peer: b.id, frames: FRAMES });
    await expect.poll(() => lastOf(b), { timeout: 60_000 }).toBe(FRAMES);
    await a.order({ type: 'round-trips', peer: b.id, count: 300 });
    await expect.poll(() => a.reports('round-trips'), { timeout: 60_000 }).toHaveLength(1);
    const [trips] = await a.reports('round-trips');
    expect(trips?.p50Ms).toBeLessThan(20);
    await expect
      .poll(() => a.page.evaluate(() => tab.info()[0]), { timeout: 5_000 })
      .toMatchObject({ state: 'open', path: 'direct', rttMs: expect.any(Number) as number });
    // The connection's counters are read with each heartbeat.
    const bytesSent = () => a.page.evaluate(() => tab.info()[0]?.bytesSent);
    await expect.poll(bytesSent, { timeout: 5_000 }).toBeGreaterThan(10 * MIB);
    const info = await a.page.evaluate(() => tab.info()[0]);
    expect(cluster.hub.relayedBytes()).toBe(0);
    process.stdout.write(
      `row of 2 304 bytes, worker to worker and back: p50 ${trips?.p50Ms.toFixed(2) ?? ''} ms, ` +
        `p90 ${trips?.p90Ms.toFixed(2) ?? ''} ms; control RTT ${info?.rttMs?.toFixed(2) ?? ''} ms\n`,
    );
  });

  it('[V2] a closed tab: its links end at the other side within 1 s', async () => {
    const [a, b] = [await openTab(), await openTab()];
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await expect.poll(a.events, { timeout: 10_000 }).toContain('link-open direct');
    await expect.poll(b.events, { timeout: 10_000 }).toContain('link-open direct');
    await b.page.close();
    await expect.poll(a.events, { timeout: 1_000, interval: 20 }).toContain('link-closed');
    await expect.poll(() => a.reports('ended'), { timeout: 1_000 }).toHaveLength(1);
  });

  it('[M4] a worker that closes its channel ends the link, on both main threads too', async () => {
    const [a, b] = [await openTab(), await openTab()];
    cluster.hub.introduce(a.id, b.id, { relayOnly: false });
    await expect.poll(a.events, { timeout: 10_000 }).toContain('link-open direct');
    await expect.poll(b.events, { timeout: 10_000 }).toContain('link-open direct');
    await a.order({ type: 'close', peer: b.id });
    await expect.poll(() => b.reports('ended'), { timeout: 2_000 }).toHaveLength(1);
    await expect.poll(a.events, { timeout: 2_000 }).toContain('link-closed');
    await expect.poll(b.events, { timeout: 2_000 }).toContain('link-closed');
  });

  it('[M6] a tab and a Node process that hides its addresses: by the relay', async () => {
    const a = await openTab();
    const node = startNode(cluster.url, { relayOnly: true });
    await expect.poll(() => node.saw('online')).toBeDefined();
    cluster.hub.setRelayRule(() => true);
    cluster.hub.introduce(a.id, node.id, { relayOnly: false });
    await expect.poll(a.events, { timeout: 3_000 }).toContain('link-open relay');
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
    await expect.poll(a.events, { timeout: 5_000 }).toContain('link-open direct');
    await expect.poll(() => node.saw('link-open', a.id)).toBeDefined();
    let rows = 0;
    node.channel(a.id).onFrames((frames) => (rows += frames.length));
    await a.order({ type: 'send', peer: node.id, frames: 10 });
    await expect.poll(() => rows, { timeout: 5_000 }).toBe(10);
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
