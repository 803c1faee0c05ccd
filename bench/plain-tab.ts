import type { Browser, CDPSession } from 'playwright-core';
import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { launchBrowser } from '#tests/support/browser.ts';

/**
 * A volunteer's tab as a person's browser runs it. Playwright's pages have the network inspector on,
 * which keeps every body that was fetched inside the tab's process, in base64: for memory that would
 * measure the tool. So this one is opened through the browser's own session and only evaluates.
 */
export class PlainTab {
  readonly #browser: Browser;
  readonly #session: CDPSession;
  readonly #target: string;
  readonly #pending = new Map<number, (result: EvaluateReply) => void>();
  #nextId = 1;

  private constructor(made: { browser: Browser; session: CDPSession; target: string }) {
    this.#browser = made.browser;
    this.#session = made.session;
    this.#target = made.target;
    this.#session.on('Target.receivedMessageFromTarget', ({ message }) => {
      const reply = JSON.parse(message) as EvaluateReply;
      this.#pending.get(reply.id)?.(reply);
      this.#pending.delete(reply.id);
    });
  }

  /** A browser process with one tab, in a profile on disk of its own. */
  static async open(url: string): Promise<PlainTab> {
    const browser = await launchBrowser();
    const session = await browser.newBrowserCDPSession();
    const { targetId } = await session.send('Target.createTarget', { url });
    const attached = await session.send('Target.attachToTarget', { targetId, flatten: false });
    const tab = new PlainTab({ browser, session, target: attached.sessionId });
    await tab.#until(`document.readyState === 'complete'`);
    return tab;
  }

  async reload(): Promise<void> {
    await this.evaluate(`globalThis.left = true; location.reload()`);
    await this.#until(`!globalThis.left && document.readyState === 'complete'`);
  }

  /** Clicks as soon as the page listens: its markup is there before its scripts. */
  async contribute(): Promise<void> {
    const buttons = `[...document.querySelectorAll('button')]`;
    const click = `${buttons}.find((each) => each.innerText.includes('Contribute'))?.click()`;
    while (['off', undefined].includes((await this.snapshot()).phase)) {
      await this.evaluate(click);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async snapshot(): Promise<VolunteerSnapshot> {
    const text = await this.evaluate(
      `document.querySelector('[data-snapshot]')?.dataset.snapshot ?? '{}'`,
    );
    return JSON.parse(typeof text === 'string' ? text : '{}') as VolunteerSnapshot;
  }

  /** Process ids of this browser's renderers: beside the tab's there may be the browser's own. */
  async renderers(): Promise<number[]> {
    const info = await this.#session.send('SystemInfo.getProcessInfo');
    return info.processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  }

  /** Value of an expression in the page; `undefined` while a page is being replaced. */
  async evaluate(expression: string): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    const reply = new Promise<EvaluateReply>((resolve) => this.#pending.set(id, resolve));
    const message = { id, method: 'Runtime.evaluate', params: { expression, returnByValue: true } };
    await this.#session.send('Target.sendMessageToTarget', {
      sessionId: this.#target,
      message: JSON.stringify(message),
    });
    return (await reply).result?.result?.value;
  }

  async end(): Promise<void> {
    await this.#browser.close();
  }

  async #until(expression: string, timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while ((await this.evaluate(`Boolean(${expression})`)) !== true) {
      if (performance.now() > deadline)
        throw new Error(`not within ${timeoutMs} ms: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

interface EvaluateReply {
  readonly id: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
}
