import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FaultCode } from '#lib/kernel/errors.ts';
import { ask } from '#tests/support/answer.ts';
import { launchBrowser, snapshotOf } from '#tests/support/browser.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { ChunkGate } from '#tests/support/pages/chunk-gate.ts';
import { ServerSocket } from '#tests/support/pages/server-socket.ts';
import { VolunteerView } from '#tests/support/pages/volunteer-view.ts';
import { TestServer } from '#tests/support/server.ts';

const LEND = ['Pause', 'Stop'];
const idle = { light: 'idle' } as const;
const busy = { light: 'computing' } as const;
const none = { light: 'none' } as const;

/** One profile and one tab on the real server; what the server says may be held back. */
describe('B7 the volunteer’s page, state by state, axe content with each', () => {
  let server: TestServer;
  let browser: Browser;
  let profile: BrowserContext;
  let tab: VolunteerView;
  let socket: ServerSocket;
  beforeAll(async () => {
    server = await TestServer.start(['--no-seed-volunteer']);
    browser = await launchBrowser();
    profile = await browser.newContext();
    profile.setDefaultTimeout(30_000);
    tab = new VolunteerView(await profile.newPage());
    socket = await ServerSocket.open(tab.page);
    await tab.open(server.url);
  }, 90_000);
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  test('[VO3] off, joining, measuring, loading, a failed load, leaving', async () => {
    const chunks = await ChunkGate.stand(profile);
    await tab.shows('off', {
      title: 'Not contributing',
      sentence: /^Nothing computes, connects or downloads/,
      buttons: ['Contribute'],
      ...none,
    });
    const letIn = socket.shut();
    await tab.press('Contribute');
    await tab.shows('joining', {
      title: 'Joining',
      sentence: /^Saying hello/,
      buttons: ['Stop'],
      ...idle,
    });
    // Tabs of one profile measure one after another: another one is at it.
    await tab.page.evaluate(`void navigator.locks.request(
      'declai-measure', () => new Promise((done) => { window.measureNow = done; }))`);
    letIn();
    const measuring = { title: 'Measuring', sentence: /^Timing a few steps/, buttons: ['Stop'] };
    await tab.shows('measuring', { ...measuring, ...busy });
    chunks.hold();
    await tab.page.evaluate('measureNow()');
    await tab.page.locator('[data-progress]').waitFor();
    await tab.shows('loading', {
      title: 'Loading',
      sentence: /^Fetching layers 0–29 of smollm2-135m-instruct and keeping them/,
      buttons: ['Stop'],
      ...idle,
    });
    expect(await tab.page.locator('[data-progress]').textContent()).toMatch(/ of 98\.1 MB/);
    await chunks.break();
    await tab.page.getByText('A hitch').waitFor();
    await tab.shows('loading', {
      title: 'A hitch',
      sentence: /^This page cannot read the server’s model.* Trying again by itself\.$/,
      buttons: ['Stop'],
      ...idle,
    });
    const leave = await tab.holdLeaving();
    await tab.press('Stop');
    const leaving = { title: 'Leaving', sentence: /^Handing over/, buttons: [] };
    await tab.shows('leaving', { ...leaving, ...idle });
    await leave();
    await tab.until('off');
    chunks.mend();
    await profile.unroute(/./);
  }, 120_000);

  test('[VO3] [V2] warming, ready, serving; Finish: the answer is whole, nothing new is taken', async () => {
    socket.hold('known-answer');
    await tab.press('Contribute');
    await tab.shows('warming', {
      title: 'Warming up',
      sentence: /^We are checking your device’s arithmetic\.$/,
      buttons: ['Stop'],
      ...busy,
    });
    socket.release();
    await tab.shows('ready', {
      title: 'Ready',
      sentence: /^Nobody is asking just now\.$/,
      buttons: LEND,
      ...idle,
    });
    const row = goldenRow('story');
    // Longer than the page is looked at, however busy the machine is.
    const reader = new AbortController();
    const extra = { ignore_eos: true };
    const { signal } = reader;
    const long = ask(server.url, { promptIds: row.promptIds, maxTokens: 600, extra, signal });
    const serving = { title: 'Serving', sentence: /^Working on 1 answer right now\.$/, ...busy };
    const buttons = ['Pause', 'Finish this answer, then stop', 'Stop'];
    await tab.shows('serving', { ...serving, buttons });
    reader.abort();
    await expect(long).rejects.toThrow();
    await tab.until('ready');
    const answer = ask(server.url, { promptIds: row.promptIds, maxTokens: 160 });
    await tab.until('serving');
    await tab.press('Finish this answer, then stop');
    await tab.page.getByText('Finishing this answer, then stopping.').waitFor();
    expect(await tab.page.getByRole('button', { name: 'Pause' }).count()).toBe(0);
    const late = await ask(server.url, { promptIds: row.promptIds, maxTokens: 1 });
    expect(late.error?.code).toBe('refuse.no_cover');
    const seen = await answer;
    expect(seen.ids).toEqual(row.greedyIds);
    await tab.until('off');
    const gone = ['leaving', 'lost'];
    await server.until('nobody', ({ nodes }) => nodes.every(({ state }) => gone.includes(state)));
  }, 120_000);

  test('[VO2] a reload starts the node only where that was ticked, and never in a new tab', async () => {
    socket.hold('challenge');
    await tab.press('Contribute');
    await tab.until('joining');
    await tab.page.reload();
    await tab.page.waitForTimeout(1_000);
    expect((await snapshotOf(tab.page)).phase).toBe('off');
    await tab.page.getByLabel(/Start by itself/).check();
    await tab.press('Contribute');
    await tab.until('joining');
    const other = new VolunteerView(await profile.newPage());
    await other.open(server.url);
    socket.release();
    await tab.page.reload();
    await tab.until('ready');
    expect((await snapshotOf(other.page)).phase).toBe('off');
    await other.page.close();
    await tab.page.getByLabel(/Start by itself/).uncheck();
  }, 120_000);

  test('[VO3] paused, spare', async () => {
    await tab.press('Pause');
    await tab.shows('paused', {
      title: 'Paused',
      sentence: /^You paused\. Nothing computes; the layers stay\.$/,
      buttons: ['Resume', 'Stop'],
      ...idle,
    });
    await tab.press('Resume');
    await tab.until('ready');
    socket.say({ type: 'assign', assignment: null });
    await tab.shows('spare', {
      title: 'Standing by',
      sentence: /^All layers are held here; you are a spare\.$/,
      buttons: LEND,
      ...idle,
    });
  }, 120_000);

  test('[VO7] lost: it says why and comes back by itself, or says what to do', async () => {
    const goodbye = (code: FaultCode) =>
      socket.say({ type: 'goodbye', code, message: 'raw text of the server' });
    const goOn = await tab.holdTime();
    goodbye('mesh/limit');
    const rejoins = { title: 'Disconnected', buttons: ['Try now', 'Stop'], ...none };
    await tab.shows('lost', { ...rejoins, sentence: /^Too many nodes from this .* by itself\.$/ });
    expect(await tab.page.getByLabel(/Hide this machine/).isDisabled()).toBe(true);
    await goOn();
    await tab.until('ready');

    goodbye('kernel/timeout');
    await tab.until('lost');
    await tab.press('Stop');
    await tab.until('off');
    await tab.page.waitForTimeout(1_500);
    expect((await snapshotOf(tab.page)).phase).toBe('off');

    socket.hold('challenge');
    for (const [code, title, sentence, button] of FINAL) {
      await tab.press('Contribute');
      await expect.poll(() => socket.holding).toBe(true);
      goodbye(code);
      await tab.shows('lost', { title, sentence, buttons: [button], ...none });
    }
    await tab.press('Reload this page');
    await tab.until('off');
  }, 120_000);
});

/** Nothing comes back by itself here; the last one needs a fresh page. */
const FINAL: readonly [FaultCode, string, RegExp, string][] = [
  ['engine/wrong-answer', 'Stopped', /^Your device gives wrong results/, 'Contribute'],
  ['engine/unsupported', 'Stopped', /^This browser cannot run this model/, 'Contribute'],
  ['mesh/bad-signature', 'Stopped', /^The network did not accept this node\.$/, 'Contribute'],
  ['package/unsupported', 'Stopped', /^This page cannot read the server’s model/, 'Contribute'],
  ['wire/version', 'Out of date', /^This page is out of date: reload it\.$/, 'Reload this page'],
];
