import type { Page } from 'playwright-core';

/** The chat page as a reader uses it. */
export class ChatPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string): Promise<void> {
    await this.page.goto(url);
    await this.page.getByLabel('Your message').waitFor();
  }

  async send(text: string): Promise<void> {
    await this.page.getByLabel('Your message').fill(text);
    await this.page.keyboard.press('Enter');
  }

  /** Text of the last answer, markdown rendered. */
  async answerText(): Promise<string> {
    const answers = this.page.getByRole('article', { name: 'Answer' });
    const body = answers.last().locator('[data-text]');
    return (await body.count()) === 0 ? '' : ((await body.first().textContent()) ?? '');
  }

  async answerPhase(): Promise<string> {
    const answers = this.page.getByRole('article', { name: 'Answer' });
    if ((await answers.count()) === 0) return '';
    return (await answers.last().getAttribute('data-answer')) ?? '';
  }

  async until(what: string, check: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await check())) {
      if (performance.now() > deadline) {
        throw new Error(
          `${what}: not within ${timeoutMs} ms; the answer: ${await this.answerText()}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async ended(): Promise<string> {
    await this.until('the end of the answer', async () =>
      ['done', 'stopped', 'failed'].includes(await this.answerPhase()),
    );
    return this.answerText();
  }

  async longerThan(chars: number): Promise<void> {
    await this.until(`${chars} characters`, async () => (await this.answerText()).length >= chars);
  }
}
