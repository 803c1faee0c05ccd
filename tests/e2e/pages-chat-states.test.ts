import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser } from '#tests/support/browser.ts';
import { ChatPage } from '#tests/support/chat.ts';
import { axeFaults, type Screen } from '#tests/support/pages/axe.ts';
import { answerAsks, refuseAsks } from '#tests/support/pages/canned-gateway.ts';
import { TestServer } from '#tests/support/server.ts';
import { startFixtures } from '../../scripts/screenshot-fixtures.mjs';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const ASKED = 'Explain how a bicycle stays upright.';

/** The real pages; what the gateway says is canned, so that every state stands still. */
describe.concurrent('B7 the chat page, state by state, axe content with each', () => {
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    server = await TestServer.start(['--no-seed-volunteer']);
    browser = await launchBrowser();
  }, 90_000);
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  async function openChat(options: BrowserContextOptions = {}) {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(30_000);
    const fixtures = await startFixtures();
    context.on('close', () => fixtures.close());
    const chat = new ChatPage(await context.newPage());
    await chat.page.route(/\/(v1|api)\//, (route) => {
      const { pathname, search } = new URL(route.request().url());
      return route.continue({ url: fixtures.url + pathname + search });
    });
    fixtures.play('covered');
    await chat.open(server.url);
    return { chat, page: chat.page, fixtures };
  }

  test.each([
    ['desk', {}],
    ['phone', PHONE],
  ] as const)(
    'empty, drawers, busy, stopped, done, editing, deleting: %s',
    async (name, screen) => {
      const { chat, page, fixtures } = await openChat(screen);
      const phone = name === 'phone';
      const looked = (state: string) => content(page, state, [name]);
      const press = (label: string) =>
        page.getByRole('button', { name: label, exact: true }).click();
      await page.locator('[data-pulse=good]').waitFor();
      await looked('empty');
      await press('Settings');
      await page.getByLabel('System prompt').waitFor();
      await looked('settings');
      await press('Close');

      fixtures.play('busy');
      await chat.send(ASKED);
      await page.getByText('40 tokens').waitFor();
      await looked('streaming');
      await press('Stop');
      expect(await chat.ended()).toContain('It leans');
      await page.getByText('Stopped by you.').waitFor();
      await looked('stopped');

      fixtures.play('moved');
      await press('Regenerate');
      await chat.until('the whole answer', async () => (await chat.answerPhase()) === 'done');
      await page.getByText('served by').click();
      await page.locator('[data-mark=moved]').waitFor();
      await looked('done');
      await press('Edit and resend');
      await looked('editing');
      await press('Cancel');
      if (phone) await press('Chats');
      await press('Rename chat');
      await looked('renaming');
      await page.keyboard.press('Escape');
      await press('Delete chat');
      await looked('deleting');
      await press('Yes, delete chat');
      await page.getByText('Ask a model').waitFor();
      await page.context().close();
    },
    120_000,
  );

  test('[CH6] what each error says, and how the person goes on', async () => {
    const { chat, page, fixtures } = await openChat();
    for (const { status = 400, code, message = '', headers = {}, title, says } of REFUSALS) {
      if (status === 200) await answerAsks(page, [JSON.stringify({ error: { code, message } })]);
      else await refuseAsks(page, { status, code, message, headers });
      await chat.send(ASKED);
      const card = page.locator(`[data-failure="${code}"]`);
      await card.waitFor();
      expect(await card.locator('p').allTextContents(), code).toEqual([
        title,
        expect.stringMatching(says),
      ]);
      const link = code === 'refuse.no_cover' ? 1 : 0;
      expect(await card.getByRole('link', { name: 'Lend this browser' }).count()).toBe(link);
      if (code === 'refuse.queue') await card.getByText(/best in (5\d|4\d) s/).waitFor();
      if (link + Number(code === 'refuse.queue') > 0) await content(page, code);
      await page.getByRole('button', { name: 'New chat' }).click();
      await page.getByText('Ask a model').waitFor();
    }
    await page.route('**/v1/chat/completions', (route) =>
      route.fulfill({ headers: { 'content-type': 'text/event-stream' }, body: ENDLESS_EVENT }),
    );
    await chat.send(ASKED);
    const unreadable = page.locator('[data-failure="page.unreadable"]');
    expect(await unreadable.textContent()).toMatch(/cannot be read.*reload it, then retry/);
    fixtures.play('covered');
    await page.unroute('**/v1/chat/completions');
    await page.getByRole('button', { name: 'Retry' }).click();
    expect(await chat.ended()).toContain('Gyroscopic');
    await page.context().close();
  }, 120_000);

  test('[CH6] reconnecting, then a server that stays away; nothing kept: it says so', async () => {
    const { chat, page } = await openChat();
    await page.addInitScript(`Object.defineProperty(window, 'indexedDB', { value: undefined })`);
    await page.clock.install();
    await page.reload();
    await page.getByText(/stores nothing/).waitFor();
    await page.route(/\/(v1|api)\//, (route) => route.abort());
    await chat.send(ASKED);
    await page.getByText('Reconnecting …').first().waitFor();
    await content(page, 'reconnecting');
    const away = page.locator('[data-failure="page.offline"]');
    await chat.until('the end of patience', async () => {
      await page.clock.fastForward(5_000);
      return (await away.count()) > 0;
    });
    await page.locator('[data-pulse=bad]').waitFor();
    expect(await away.textContent()).toMatch(/The server cannot be reached.*Retry goes on/);
    await content(page, 'offline');
    await page.context().close();
  }, 120_000);

  async function content(page: Page, state: string, screens?: readonly Screen[]): Promise<void> {
    expect(await axeFaults(page, screens), state).toEqual([]);
  }
});

const ENDLESS_EVENT = `data: ${'x'.repeat(300_000)}`;

interface Refusal {
  /** 200: an error in the stream. */
  readonly status?: number;
  readonly code: string;
  readonly message?: string;
  readonly headers?: Record<string, string>;
  readonly title: string;
  readonly says: RegExp;
}

const REFUSALS: readonly Refusal[] = [
  {
    status: 429,
    code: 'refuse.queue',
    headers: { 'retry-after': '58' },
    title: 'The helpers are busy',
    says: /^More requests than helpers just now\.$/,
  },
  {
    status: 429,
    code: 'refuse.no_cover',
    message: 'No node holds layers 10–19.',
    title: 'A part of the model is missing',
    says: /^No node holds layers 10–19\.$/,
  },
  {
    status: 200,
    code: 'answer.lost',
    title: 'The answer was lost',
    says: /^Too many helpers left at once\. .*Retry goes on from there\.$/,
  },
  {
    code: 'context_length_exceeded',
    title: 'This conversation is too long for the model',
    says: /^Shorten your message, or start a new chat\.$/,
  },
  {
    status: 413,
    code: 'request_too_large',
    title: 'This message is too long',
    says: /^Shorten it/,
  },
  {
    status: 404,
    code: 'model_not_found',
    title: 'This model is not here any more',
    says: /settings/,
  },
  {
    status: 500,
    code: 'internal_error',
    message: 'The server met an unexpected fault.',
    title: 'That did not work',
    says: /^The server met an unexpected fault\.$/,
  },
  { status: 502, code: 'http.502', title: 'That did not work', says: /^The server met a fault/ },
];
