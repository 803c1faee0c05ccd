import type { Browser, BrowserContext, Page, Worker } from 'playwright-core';
import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { contribute, launchBrowser, snapshotOf } from './browser.ts';
import { SWIFTSHADER } from './gpu-tab/swiftshader.ts';

/** What a worker's global notes once `noteBuffers` ran in it. */
interface Noted {
  readonly noted: { readonly alive: Set<GPUBuffer>; device: GPUDevice | null };
}

/** Runs in an inference worker, before it opens a GPU: its buffers and its last device. */
function noteBuffers(): void {
  if (typeof GPUDevice === 'undefined') return;
  const alive = new Set<GPUBuffer>();
  const noted: Noted['noted'] = { alive, device: null };
  Object.assign(globalThis, { noted });
  const create = Reflect.get(GPUDevice.prototype, 'createBuffer');
  GPUDevice.prototype.createBuffer = function (this: GPUDevice, descriptor): GPUBuffer {
    noted.device = this;
    const buffer = create.call(this, descriptor);
    alive.add(buffer);
    return buffer;
  };
  const destroy = Reflect.get(GPUBuffer.prototype, 'destroy');
  GPUBuffer.prototype.destroy = function (this: GPUBuffer): undefined {
    alive.delete(this);
    destroy.call(this);
  };
}

/** Volunteers' tabs of one profile, with a GPU in software or without one. */
export class GpuVolunteers {
  readonly tabs: GpuVolunteerTab[] = [];
  /** Paths below `/ort/` that its tabs asked for. */
  readonly ortFiles: string[] = [];
  readonly #browser: Browser;
  readonly #context: BrowserContext;

  private constructor(browser: Browser, context: BrowserContext) {
    this.#browser = browser;
    this.#context = context;
    context.on('request', (request) => {
      const { pathname } = new URL(request.url());
      if (pathname.startsWith('/ort/')) this.ortFiles.push(pathname);
    });
  }

  static async launch({ gpu }: { readonly gpu: boolean }): Promise<GpuVolunteers> {
    const browser = await launchBrowser(gpu ? SWIFTSHADER : []);
    return new GpuVolunteers(browser, await browser.newContext());
  }

  /** A tab that contributes; `query` is of the page's address. */
  async open(url: string, query = ''): Promise<GpuVolunteerTab> {
    const tab = await GpuVolunteerTab.open(
      await this.#context.newPage(),
      `${url}/volunteer${query}`,
    );
    this.tabs.push(tab);
    return tab;
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }
}

export class GpuVolunteerTab {
  readonly #page: Page;

  private constructor(page: Page) {
    this.#page = page;
  }

  static async open(page: Page, address: string): Promise<GpuVolunteerTab> {
    const tab = new GpuVolunteerTab(page);
    page.on('worker', (worker) => {
      void worker.evaluate(noteBuffers).catch(() => undefined);
    });
    await page.goto(address);
    await contribute(page);
    return tab;
  }

  snapshot(): Promise<VolunteerSnapshot> {
    return snapshotOf(this.#page);
  }

  /** Text of a fact on the page. */
  async fact(name: string): Promise<string> {
    return (await this.#page.locator(`[data-fact="${name}"] dd`).textContent()) ?? '';
  }

  /** GPU buffers of the worker that are alive: ours and ONNX Runtime's. */
  async buffers(): Promise<number> {
    const worker = await this.#inference();
    return worker.evaluate(() => (globalThis as unknown as Noted).noted.alive.size);
  }

  /** As a driver that crashes or a browser that takes the GPU back. */
  async loseDevice(): Promise<void> {
    const worker = await this.#inference();
    await worker.evaluate(() => (globalThis as unknown as Noted).noted.device?.destroy());
  }

  /** The worker that has a GPU; others may come and go. */
  async #inference(): Promise<Worker> {
    for (const worker of this.#page.workers()) {
      const has = () => (globalThis as unknown as Partial<Noted>).noted?.device != null;
      if (await worker.evaluate(has).catch(() => false)) return worker;
    }
    throw new Error('no worker of this tab has a GPU');
  }

  async close(): Promise<void> {
    await this.#page.close();
  }
}
