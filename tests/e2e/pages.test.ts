import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { ask } from '#tests/support/answer.ts';
import { contribute, launchBrowser, press, snapshotOf } from '#tests/support/browser.ts';
import { ChatPage } from '#tests/support/chat.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { TestServer } from '#tests/support/server.ts';
import { isWhole } from '#tests/support/three-tabs.ts';

/** Every phase that a page draws, however short: runs before the page's scripts. */
const NOTE_PHASES = `(() => {
  const seen = new Set();
  window.phasesSeen = seen;
  new MutationObserver((records) => {
    for (const { target, oldValue } of records) seen.add(oldValue).add(target.dataset.phase);
  }).observe(document, { subtree: true, attributeFilter: ['data-phase'], attributeOldValue: true });
})()`;
const QUESTION = 'Tell me a long story about a lighthouse.';

/** One profile, as one person has it: several tabs share its identity and its cache. */
describe('A7 three tabs of one profile', () => {
  let server: TestServer;
  let browser: Browser;
  let profile: BrowserContext;
  const tabs: Page[] = [];

  beforeAll(async () => {
    server = await TestServer.start(['--no-seed-volunteer', '--stages', '3']);
    browser = await launchBrowser();
    profile = await browser.newContext();
    await profile.addInitScript(NOTE_PHASES);
  }, 90_000);
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  test('nothing computes, connects or downloads before the click', async () => {
    const page = await profile.newPage();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    page.on('websocket', (socket) => asked.push(socket.url()));
    await page.goto(`${server.url}/volunteer`);
    await page.getByRole('button', { name: 'Contribute' }).waitFor();
    await page.waitForTimeout(1_000);
    expect(
      asked.filter((path) => /models|kernels|socket|node/.test(path) && !path.startsWith('/_next')),
    ).toEqual([]);
    expect((await snapshotOf(page)).phase).toBe('off');
    tabs.push(page);
  });

  test('no cover: the chat says which layers are missing and where to help', async () => {
    const chat = new ChatPage(await profile.newPage());
    await chat.open(server.url);
    await chat.send('Hello');
    const alert = chat.page.locator('[data-failure="refuse.no_cover"]');
    await alert.waitFor();
    expect(await alert.textContent()).toMatch(/0.*29/);
    expect(await alert.getByRole('link').getAttribute('href')).toContain('/volunteer');
    await chat.page.close();
  });

  test('each tab says what it does, from the click to ready', async () => {
    for (let i = tabs.length; i < 3; i += 1) {
      const page = await profile.newPage();
      await page.goto(`${server.url}/volunteer`);
      tabs.push(page);
    }
    for (const page of tabs) await contribute(page);
    const phases = () => Promise.all(tabs.map(async (page) => (await snapshotOf(page)).phase));
    await expect.poll(phases, { timeout: 60_000 }).toEqual(tabs.map(() => 'ready'));
    for (const page of tabs) {
      const seen = await page.evaluate<string[]>('[...phasesSeen]');
      expect(seen).toEqual(expect.arrayContaining(['joining', 'measuring', 'loading', 'ready']));
    }
    await server.until('a route of three tabs', (status) =>
      status.routes.some((route) => isWhole(route.places)),
    );
    // The page scrolls inside its frame, never the document beside it.
    for (const page of tabs) {
      const desk = page.viewportSize() ?? { width: 1280, height: 720 };
      await page.setViewportSize({ width: 390, height: 844 });
      const spare = await page.evaluate('document.documentElement.scrollHeight - innerHeight');
      expect(spare).toBe(0);
      await page.setViewportSize(desk);
    }
    const isLinked = ({ peers }: VolunteerSnapshot) =>
      peers.some((peer) => peer.path === 'direct' && peer.rttMs !== null);
    await expect
      .poll(async () => (await Promise.all(tabs.map(snapshotOf))).map(isLinked))
      .toEqual([true, true, true]);
    const snapshots = await Promise.all(tabs.map(snapshotOf));
    expect(new Set(snapshots.map((snapshot) => snapshot.nodeId)).size).toBe(3);
    for (const snapshot of snapshots) {
      expect(snapshot.device).not.toBe('');
      expect(snapshot.measured?.layerMs[0]).toBeGreaterThan(0);
      expect(snapshot.bytesLoaded).toBe(snapshot.bytesTotal);
    }
  }, 180_000);

  test('chat streams, says who served it, and Stop keeps the text', async () => {
    const chat = new ChatPage(await profile.newPage());
    await chat.open(server.url);
    await chat.greedy(120);
    await chat.send('What is the capital of France?');
    expect(await chat.ended()).toContain('Paris');
    expect(await chat.page.locator('[data-facts]').last().textContent()).toMatch(/token/);

    await chat.send(QUESTION);
    await chat.longerThan(40);
    await chat.page.getByRole('button', { name: 'Stop' }).click();
    const kept = await chat.ended();
    expect(kept.length).toBeGreaterThanOrEqual(40);
    await server.until('the session to be gone', (status) => status.sessions === 0, 2_000);
    await chat.page.close();
  }, 120_000);

  test('Pause in mid-answer: the answer goes on elsewhere, the steps stand still', async () => {
    const row = goldenRow('sky');
    const status = await server.status();
    const last = status.routes.find((route) => isWhole(route.places))?.places[2]?.node;
    const snapshots = await Promise.all(tabs.map(snapshotOf));
    const page = tabs[snapshots.findIndex((snapshot) => snapshot.nodeId === last)];
    if (!page) throw new Error('no tab holds the last stage');
    const clicks: Promise<void>[] = [];
    const seen = await ask(server.url, {
      promptIds: row.promptIds,
      maxTokens: 64,
      onToken: (count) => {
        if (count === 12) clicks.push(press(page, 'Pause'));
      },
    });
    await Promise.all(clicks);
    expect(seen.ids).toEqual(row.greedyIds.slice(0, 64));
    await page.waitForTimeout(1_000);
    const before = (await snapshotOf(page)).steps;
    await page.waitForTimeout(1_000);
    expect(await snapshotOf(page)).toMatchObject({
      phase: 'paused',
      steps: before,
      computing: false,
    });
    await press(page, 'Resume');
    await server.until('three tabs again', (now) =>
      now.routes.some((route) => isWhole(route.places)),
    );
  }, 120_000);

  test('Stop ends a tab: it is off, and the status forgets it', async () => {
    const page = tabs[0];
    if (!page) throw new Error('no tab');
    const node = (await snapshotOf(page)).nodeId;
    await press(page, 'Stop');
    await expect.poll(async () => (await snapshotOf(page)).phase).toBe('off');
    await server.until('the node to be gone', (status) => !serves(status.nodes, node), 10_000);
  });
});

const serves = (nodes: readonly { id: string; state: string }[], id: string | null): boolean =>
  nodes.some((node) => node.id === id && node.state !== 'lost' && node.state !== 'leaving');
