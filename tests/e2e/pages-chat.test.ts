import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { contribute, launchBrowser, snapshotOf } from '#tests/support/browser.ts';
import { ChatPage } from '#tests/support/chat.ts';
import { answerAsks, wordsStreamed } from '#tests/support/pages/canned-gateway.ts';
import { keepChat } from '#tests/support/pages/kept-chat.ts';
import type { ClusterView } from '#server/orchestrator/answers.ts';
import { installMeter, longTasks, readMeter, resetMeter } from '#tests/support/pages/page-meter.ts';
import { TestServer } from '#tests/support/server.ts';

const QUESTION = 'Tell me a long story about a lighthouse.';
const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

/** A reader's page on the whole product, against the clock; the built-in volunteer answers. */
describe('B7 the chat page', () => {
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    server = await TestServer.start();
    browser = await launchBrowser();
    await server.until('the built-in volunteer', (status) => status.routes.length > 0);
  }, 90_000);
  /** Of one that failed, too: what it asked for is not to be counted with the next one's. */
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await server.until('no session', (status) => status.sessions === 0, 60_000);
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  /** A page of its own profile, with greedy answers of `tokens` at most. */
  async function openChat(tokens: number): Promise<ChatPage> {
    const chat = new ChatPage(await (await browser.newContext()).newPage());
    await installMeter(chat.page);
    await chat.open(server.url);
    await chat.greedy(tokens);
    return chat;
  }

  test('[CH1] tokens that come faster than frames reach React once a frame', async () => {
    const chat = await openChat(8);
    await resetMeter(chat.page);
    await answerAsks(chat.page, wordsStreamed(400));
    await chat.send('All at once');
    expect(await chat.ended()).toContain('word 399');
    expect((await readMeter(chat.page)).textCommitsPerFrameMax).toBe(1);
  }, 60_000);

  /** Again where the machine was busy with something else: a page is opened by the wall’s clock. */
  const measured = { timeout: 60_000, retry: 2 };

  test('[CH1] three answers stream: one change a frame, no task over 50 ms', measured, async () => {
    const chat = await openChat(96);
    const { page } = chat;
    await resetMeter(page);
    const long = await longTasks(page, async () => {
      for (let answer = 0; answer < 3; answer += 1) {
        if (answer > 0) await chat.begin();
        await chat.send(`${QUESTION} Part ${String(answer)}.`);
        await chat.until('its start', async () => (await chat.answerPhase()) !== '');
      }
      await server.until('three sessions', (status) => status.sessions === 3);
      await chat.ended();
      await server.until('no session', (status) => status.sessions === 0);
    });
    const figures = await readMeter(page);
    expect(figures.framesWithText).toBeGreaterThan(20);
    expect(figures.textCommitsPerFrameMax).toBe(1);
    expect(long).toEqual([]);
  });

  test('[CH10] 200 messages: opened and typed into at once, desk and phone', measured, async () => {
    const chat = await openChat(8);
    const { page } = chat;
    await keepChat(page, 'long', 200);
    for (const size of [DESK, PHONE]) {
      await page.setViewportSize(size);
      let openMs = Infinity;
      const long = await longTasks(page, async () => {
        await page.goto(`${server.url}/?c=long`);
        await page.getByText('Number 199.').waitFor();
        openMs = await page.evaluate<number>('performance.now()');
        await page.getByLabel('Your message').pressSequentially('Typed while older ones come');
        await page.getByText('Number 0.').waitFor();
        await expect.poll(() => page.evaluate(AT_THE_END)).toBe(true);
      });
      expect(openMs).toBeLessThan(1_500);
      expect(long).toEqual([]);
      expect(await sideways(page)).toBe(0);
    }
  });

  test('[CH5] a failover is marked under the answer', async () => {
    const context = await browser.newContext();
    const volunteer = await context.newPage();
    await volunteer.goto(`${server.url}/volunteer`);
    await contribute(volunteer);
    await expect
      .poll(async () => (await snapshotOf(volunteer)).phase, { timeout: 30_000 })
      .toMatch(/ready|spare/);
    const chat = new ChatPage(await context.newPage());
    await chat.open(server.url);
    await chat.send(QUESTION);
    await chat.longerThan(30);
    const works = (status: ClusterView) => status.nodes.find((node) => node.sessions > 0);
    const busy = works(await server.until('a node that works', (status) => !!works(status)));
    if (busy?.kind === 'tab') await volunteer.close({ runBeforeUnload: false });
    else process.kill(server.volunteerPid(), 'SIGKILL');
    const before = (await chat.answerText()).length;
    await chat.page.locator('[data-mark="moved"]').waitFor();
    await chat.longerThan(before + 40);
    await chat.page.getByRole('button', { name: 'Stop' }).click();
    await chat.ended();
  }, 90_000);
});

const sideways = (page: Page): Promise<unknown> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

const AT_THE_END = `(() => {
  const { scrollTop, scrollHeight, clientHeight } = document.querySelector('ol').closest('.overflow-y-auto');
  return scrollHeight - scrollTop - clientHeight < 8;
})()`;
