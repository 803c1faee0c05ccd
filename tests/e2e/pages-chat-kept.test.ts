import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser } from '#tests/support/browser.ts';
import { ChatPage } from '#tests/support/chat.ts';
import { TestServer } from '#tests/support/server.ts';

/** What a reader's page keeps of a conversation; the built-in volunteer answers. */
describe('B7 what the chat page keeps', () => {
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    server = await TestServer.start();
    browser = await launchBrowser();
    await server.until('the built-in volunteer', (status) => status.routes.length > 0);
  }, 90_000);
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  /** A page of its own profile, with greedy answers of `tokens` at most. */
  async function openChat(tokens: number, context?: BrowserContext): Promise<ChatPage> {
    const chat = new ChatPage(await (context ?? (await browser.newContext())).newPage());
    await chat.open(server.url);
    await chat.greedy(tokens);
    return chat;
  }

  test('[CH2] an answer survives a reload at each of 20 positions, with equal text', async () => {
    const [left, right] = [await openChat(32), await openChat(32)];
    await left.send('Count to forty.');
    const whole = await left.ended();
    expect(whole.length).toBeGreaterThan(40);
    /** Every second position each: while one page is drawn, the other one's tokens come. */
    const reloadAt = async (chat: ChatPage, first: number): Promise<void> => {
      for (let position = first; position < 20; position += 2) {
        await chat.begin();
        await chat.send('Count to forty.');
        // What has been seen of an answer is kept; before that a prompt may still be on its way to the store.
        await chat.longerThan(Math.max(1, Math.floor((position / 20) * whole.length)));
        await chat.page.reload();
        await chat.until('the answer', async () => (await chat.answerPhase()) !== '');
        expect(await chat.ended(), `reloaded at ${String(position)} of 20`).toBe(whole);
        expect(await chat.page.locator('[data-failure], [data-mark]').count()).toBe(0);
      }
    };
    await Promise.all([reloadAt(left, 0), reloadAt(right, 1)]);
    await Promise.all([left, right].map(({ page }) => page.context().close()));
  }, 180_000);

  test('regenerate, edit and resend replace what follows; copy gives what was written', async () => {
    const context = await browser.newContext();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const chat = await openChat(24, context);
    const { page } = chat;
    const copied = async (name: string): Promise<string> => {
      await page.evaluate(`navigator.clipboard.writeText('')`);
      await page.getByRole('button', { name }).last().click();
      let text = '';
      await chat.until('a copy', async () => {
        text = await page.evaluate<string>('navigator.clipboard.readText()');
        return text !== '';
      });
      return text;
    };
    const prompts = () => page.getByRole('article', { name: 'You' }).locator('p').allTextContents();
    await chat.send('What is the capital of France?');
    await chat.ended();
    await chat.send('And of Italy?');
    const italy = await chat.ended();
    expect(await copied('Copy message')).toBe('And of Italy?');
    expect(await copied('Copy answer')).toBe(italy);

    // Greedy: a new answer to the same question is the same answer.
    const asked = page.waitForResponse('**/v1/chat/completions');
    await page.getByRole('button', { name: 'Regenerate' }).click();
    await (await asked).finished();
    expect(await chat.ended()).toBe(italy);
    expect(await prompts()).toEqual(['What is the capital of France?', 'And of Italy?']);

    await page.getByRole('button', { name: 'Edit and resend' }).first().click();
    await page.getByLabel('Edit your message').fill('What is the capital of Spain?');
    await page.getByRole('button', { name: 'Send' }).first().click();
    await expect.poll(prompts).toEqual(['What is the capital of Spain?']);
    const spain = await chat.ended();
    expect(spain).not.toBe(italy);
    await page.reload();
    await chat.until('what was kept', async () => (await chat.answerPhase()) === 'done');
    expect(await prompts()).toEqual(['What is the capital of Spain?']);
    expect(await chat.answerText()).toBe(spain);
    await context.close();
  }, 120_000);
});
