import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { must } from '#lib/kernel/assert.ts';
import type { GpuEngineName, PartKey } from '#lib/webgpu/model.ts';
import { launchBrowser, launchBrowserOnGpu } from '../browser.ts';
import type { Model } from '../stages.ts';
import type { JobName, Jobs, Order } from './jobs.ts';
import { encodePart } from './part-codec.ts';
import { ORT_PATH, PART_PATH } from './paths.ts';
import { SWIFTSHADER } from './swiftshader.ts';

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const PUBLIC = fileOf('../../../public');
const ORT_FOLDER = `${PUBLIC}/ort`;

/** A tab with a worker that has a GPU in software, on a server with models. */
export class GpuTab {
  /** What stages that are loaded compute in. */
  engine: GpuEngineName = 'gpu-webgpu';
  readonly #server: Server;
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #models: Map<string, Model>;

  private constructor(made: {
    server: Server;
    browser: Browser;
    page: Page;
    models: Map<string, Model>;
  }) {
    this.#server = made.server;
    this.#browser = made.browser;
    this.#page = made.page;
    this.#models = made.models;
  }

  /** On a GPU in software, or on the machine's own. */
  static async open(kind: 'software' | 'real' = 'software'): Promise<GpuTab> {
    const models = new Map<string, Model>();
    const server = await serve(models);
    const browser = await (kind === 'real' ? launchBrowserOnGpu() : launchBrowser(SWIFTSHADER));
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return new GpuTab({ server, browser, page, models });
  }

  async run<Name extends JobName>(
    name: Name,
    job: Jobs[Name]['job'],
  ): Promise<Jobs[Name]['result']> {
    const order = { name, ...job } as unknown as Order;
    const result = await this.#page.evaluate((given) => gpuTab.order(given), order);
    return result as Jobs[Name]['result'];
  }

  /** Stages of the model that begin at `firsts`, instead of what was loaded before. */
  async load(name: string, model: Model, firsts: readonly number[]): Promise<void> {
    const { engine } = this;
    this.#models.set(name, model);
    await this.run('load', { model: name, shape: model.shape, firsts, engine });
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

async function serve(models: ReadonlyMap<string, Model>): Promise<Server> {
  const [page, worker] = await Promise.all(['page.ts', 'worker.ts'].map(bundle));
  const answer = async (url: URL): Promise<[type: string, body: string | Uint8Array]> => {
    const { pathname } = url;
    if (pathname === '/') return ['text/html', '<!doctype html><script src="/page.js"></script>'];
    if (pathname === '/page.js') return ['text/javascript', must(page, 'the page')];
    if (pathname === '/worker.js') return ['text/javascript', must(worker, 'the worker')];
    if (pathname.startsWith(PART_PATH)) {
      const model = must(models.get(pathname.slice(PART_PATH.length)), pathname);
      const part = await model.weights.part(url.searchParams.get('key') as PartKey);
      return ['application/octet-stream', encodePart(part)];
    }
    if (pathname === '/kernels/kernels.wasm') {
      return ['application/wasm', await readFile(`${PUBLIC}${pathname}`)];
    }
    const file = `${ORT_FOLDER}/${pathname.slice(ORT_PATH.length)}`;
    const type = pathname.endsWith('.wasm') ? 'application/wasm' : 'text/javascript';
    return [type, await readFile(file)];
  };
  const server = createServer((request: IncomingMessage, response) => {
    answer(new URL(request.url ?? '/', 'http://127.0.0.1')).then(
      ([type, body]) => response.setHeader('content-type', type).end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** The suite as it is, with a runner and a list of implementations that a worker can have. */
const inTab: Plugin = {
  name: 'in-tab',
  setup(building) {
    building.onResolve({ filter: /^vitest$/ }, () => ({ path: fileOf('runner.ts') }));
    building.onResolve({ filter: /^\.\/implementations\.ts$/ }, () => ({
      path: fileOf('implementations.ts'),
    }));
  },
};

async function bundle(entry: string): Promise<string> {
  const built = await build({
    entryPoints: [fileOf(entry)],
    bundle: true,
    write: false,
    format: 'iife',
    plugins: [inTab],
    // Its files come from the server, as in the product, and not out of the bundle.
    conditions: ['onnxruntime-web-use-extern-wasm'],
    define: { 'import.meta.url': 'location.href' },
  });
  return must(built.outputFiles[0], 'one output').text;
}
