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

  /** Temperature 0 and a longest answer by the settings, so that two answers can be compared. */
  async greedy(tokensMax: number): Promise<void> {
    await this.page.getByRole('button', { name: 'Settings' }).click();
    await this.page.getByLabel(/Temperature/).fill('0');
    await this.page.getByLabel(/(Longest|Max)/).fill(String(tokensMax));
    await this.page.keyboard.press('Escape');
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

  /** Empty where there is no answer; read at once, as the page may be on its way elsewhere. */
  async answerPhase(): Promise<string> {
    const answers = this.page.getByRole('article', { name: 'Answer' });
    const phases = await answers.evaluateAll((all) =>
      all.map((one) => one.getAttribute('data-answer') ?? ''),
    );
    return phases.at(-1) ?? '';
  }

  async until(what: string, check: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await check())) {
      if (performance.now() > deadline) {
        const page = await this.page.locator('body').innerText();
        throw new Error(
          `${what}: not within ${timeoutMs} ms; the answer is ${await this.answerPhase()}; the page: ${page}`,
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
