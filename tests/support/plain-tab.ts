import type { Browser, CDPSession } from 'playwright-core';
import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { launchBrowser } from './browser.ts';

/**
 * A volunteer's tab as a person's browser runs it. Playwright's pages have the network inspector on,
 * which keeps every body that was fetched inside the tab's process, in base64: for memory that would
 * measure the tool. So this one is opened through the browser's own session and only evaluates.
 */
export class PlainTab {
  readonly #browser: Browser;
  readonly #session: CDPSession;
  #target = '';
  /** The browser session's name for its connection to the tab. */
  #attached = '';
  readonly #pending = new Map<number, (result: EvaluateReply) => void>();
  #nextId = 1;

  private constructor(browser: Browser, session: CDPSession) {
    this.#browser = browser;
    this.#session = session;
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
    const tab = new PlainTab(browser, session);
    await tab.reopen(url);
    return tab;
  }

  /** A new tab in the same profile, after `close()` or a crash. */
  async reopen(url: string): Promise<void> {
    const { targetId } = await this.#session.send('Target.createTarget', { url });
    const attached = await this.#session.send('Target.attachToTarget', {
      ...{ targetId, flatten: false },
    });
    this.#target = targetId;
    this.#attached = attached.sessionId;
    await this.#until(`document.readyState === 'complete'`);
  }

  /** Closes the tab, crashed or not, as a person does; the browser stays. */
  async close(): Promise<void> {
    await this.#session.send('Target.closeTarget', { targetId: this.#target });
    for (const answer of this.#pending.values()) answer({ id: 0 });
    this.#pending.clear();
  }

  async reload(): Promise<void> {
    await this.evaluate(`globalThis.left = true; location.reload()`);
    await this.#until(`!globalThis.left && document.readyState === 'complete'`);
  }

  /** Clicks as soon as the page listens: its markup is there before its scripts. */
  async contribute(): Promise<void> {
    while (['off', undefined].includes((await this.snapshot()).phase)) {
      await this.click('Contribute');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Does nothing where the page has no button that says so. */
  async click(label: string): Promise<void> {
    const buttons = `[...document.querySelectorAll('button')]`;
    await this.evaluate(`${buttons}.find((each) => each.innerText.includes('${label}'))?.click()`);
  }

  async snapshot(): Promise<VolunteerSnapshot> {
    const text = await this.evaluate(
      `document.querySelector('[data-snapshot]')?.dataset.snapshot ?? '{}'`,
    );
    return JSON.parse(typeof text === 'string' ? text : '{}') as VolunteerSnapshot;
  }

  /** Process ids of this browser's renderers: beside the tab's there may be the browser's own. */
  renderers(): Promise<number[]> {
    return this.#processes('renderer');
  }

  /** Process id of the browser itself. */
  async browserPid(): Promise<number> {
    const [pid] = await this.#processes('browser');
    if (pid === undefined) throw new Error('the browser is gone');
    return pid;
  }

  async #processes(kind: string): Promise<number[]> {
    const info = await this.#session.send('SystemInfo.getProcessInfo');
    return info.processInfo.filter(({ type }) => type === kind).map(({ id }) => id);
  }

  /** Value of an expression in the page; `undefined` while a page is being replaced. */
  async evaluate(expression: string): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    const reply = new Promise<EvaluateReply>((resolve) => this.#pending.set(id, resolve));
    const message = { id, method: 'Runtime.evaluate', params: { expression, returnByValue: true } };
    await this.#session.send('Target.sendMessageToTarget', {
      sessionId: this.#attached,
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
