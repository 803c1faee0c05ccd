import type { Page, Request } from 'playwright-core';

/** Text is drawn with frames: whether the browser gives the page any. */
const FRAME = `new Promise((resolve) => {
  requestAnimationFrame(() => resolve('frames come'));
  setTimeout(() => resolve('no frame in 3 s'), 3_000);
})`;

/** The chat page as a reader uses it. */
export class ChatPage {
  readonly page: Page;
  /** What it asked the gateway for and how that went, for the reader of a failure. */
  readonly #asked = new Map<Request, string>();

  constructor(page: Page) {
    this.page = page;
    const note = (request: Request, how: string): void => {
      const { pathname } = new URL(request.url());
      if (/\/(completions|answers)/.test(pathname))
        this.#asked.set(request, `${request.method()} ${pathname}: ${how}`);
    };
    page.on('request', (request) => note(request, 'no answer yet'));
    page.on('response', (answer) => note(answer.request(), `${answer.status()}, open`));
    page.on('requestfinished', (request) => note(request, 'whole'));
    page.on('requestfailed', (request) => note(request, request.failure()?.errorText ?? 'failed'));
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
    const field = this.page.getByLabel('Your message');
    await field.fill(text);
    await this.page.keyboard.press('Enter');
    await this.until('the prompt to be taken', async () => (await field.inputValue()) === '');
  }

  /** A new chat, once it is there: until then what is sent belongs to the old one, whose answer may run. */
  async begin(): Promise<void> {
    await this.page.getByRole('button', { name: 'New chat' }).click();
    await this.until('an empty chat', async () => (await this.answerPhase()) === '');
  }

  /** Text of the last answer, markdown rendered. */
  async answerText(): Promise<string> {
    return (await this.#last()).text;
  }

  /** Empty where there is no answer. */
  async answerPhase(): Promise<string> {
    return (await this.#last()).phase;
  }

  /** Read at once, as the page may be on its way elsewhere. */
  async #last(): Promise<{ readonly phase: string; readonly text: string }> {
    const answers = this.page.getByRole('article', { name: 'Answer' });
    const seen = await answers.evaluateAll((all) =>
      all.map((one) => ({
        phase: one.getAttribute('data-answer') ?? '',
        text: one.querySelector('[data-text]')?.textContent ?? '',
      })),
    );
    return seen.at(-1) ?? { phase: '', text: '' };
  }

  async until(what: string, check: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await check())) {
      if (performance.now() > deadline) {
        throw await this.#error(`${what}: not within ${timeoutMs} ms`);
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

  /** @throws Error at once where the answer failed: nothing more comes of it. */
  async longerThan(chars: number): Promise<void> {
    await this.until(`${chars} characters`, async () => {
      const { phase, text } = await this.#last();
      if (phase === 'failed') throw await this.#error('the answer failed');
      return text.length >= chars;
    });
  }

  async #error(why: string): Promise<Error> {
    const page = await this.page.locator('body').innerText();
    const asked = [...this.#asked.values()].slice(-4).join('\n');
    const frame = await this.page.evaluate<string>(FRAME);
    return new Error(
      `${why}; the answer is ${await this.answerPhase()}; ${asked}\n${frame}; the page: ${page}`,
    );
  }
}
