import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { launchBrowser } from '../browser.ts';
import { workerThreads } from '../worker-threads.ts';

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

interface Reply {
  readonly bits?: readonly Record<string, string>[];
  /** Threads that its stage had. */
  readonly joined?: number;
  readonly error?: string;
}

/** `bitsOf` in a worker of an isolated page of Chromium, with so many threads each time. */
export async function bitsInTab(
  threads: readonly number[],
): Promise<readonly Record<string, string>[]> {
  return inTab(async (page) => {
    const reply = await replyOf(page, '/worker.js', threads);
    if (!reply.bits) throw new Error(reply.error ?? 'the tab said nothing');
    return reply.bits;
  });
}

/**
 * Threads of workers that a tab keeps when `rounds` workers were terminated one after the other, each
 * right after its stage of three threads; zero within 10 s where none stays.
 */
export async function threadsLeftInTab(rounds: number): Promise<number> {
  return inTab(async (page, renderers) => {
    for (let i = 0; i < rounds; i += 1) {
      const { joined, error } = await replyOf(page, '/renewed-worker.js', null);
      if (joined !== 3) throw new Error(error ?? `${String(joined)} of 3 threads joined`);
    }
    const left = (): number => renderers.reduce((sum, pid) => sum + workerThreads(pid), 0);
    const deadline = performance.now() + 10_000;
    while (left() > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return left();
  });
}

async function inTab<T>(
  work: (page: Page, renderers: readonly number[]) => Promise<T>,
): Promise<T> {
  const server = await serve();
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const session = await browser.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
    return await work(page, renderers);
  } finally {
    await browser.close();
    server.close();
  }
}

/** The first word of a worker, which is terminated at that. */
const replyOf = (page: Page, path: string, asked: readonly number[] | null): Promise<Reply> =>
  page.evaluate(
    ([script, message]) =>
      new Promise<Reply>((resolve) => {
        const worker = new Worker(script);
        worker.onmessage = ({ data }: MessageEvent<Reply>) => {
          worker.terminate();
          resolve(data);
        };
        worker.onerror = ({ message: error }) => {
          resolve({ error });
        };
        worker.postMessage(message);
      }),
    [path, asked] as const,
  );

async function serve(): Promise<Server> {
  const bodies = new Map<string, [type: string, body: string | Uint8Array]>([
    ['/', ['text/html', '<!doctype html><title>bits</title>']],
    ['/worker.js', ['text/javascript', await bundle('worker.ts')]],
    ['/renewed-worker.js', ['text/javascript', await bundle('renewed-worker.ts')]],
    ['/helper.js', ['text/javascript', await bundle('../../../lib/webgpu/cpu/helper-browser.ts')]],
  ]);
  for (const name of ['kernels.wasm', 'kernels-threads.wasm']) {
    const body = await readFile(fileOf(`../../../public/kernels/${name}`));
    bodies.set(`/kernels/${name}`, ['application/wasm', body]);
  }
  const server = createServer((request, response) => {
    const found = bodies.get(request.url ?? '');
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    if (!found) return void response.writeHead(404).end();
    response.setHeader('content-type', found[0]).end(found[1]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function bundle(entry: string): Promise<string> {
  const built = await build({
    entryPoints: [fileOf(entry)],
    bundle: true,
    write: false,
    format: 'iife',
    define: { 'import.meta.url': 'location.href' },
  });
  return built.outputFiles[0]?.text ?? '';
}
