import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { launchBrowser } from '../browser.ts';

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

interface Reply {
  readonly bits?: readonly Record<string, string>[];
  readonly error?: string;
}

/** `bitsOf` in a worker of an isolated page of Chromium, with so many threads each time. */
export async function bitsInTab(
  threads: readonly number[],
): Promise<readonly Record<string, string>[]> {
  const server = await serve();
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const reply = await page.evaluate<Reply, readonly number[]>(
      (asked) =>
        new Promise((resolve) => {
          const worker = new Worker('/worker.js');
          worker.onmessage = ({ data }: MessageEvent<Reply>) => {
            resolve(data);
          };
          worker.onerror = ({ message }) => {
            resolve({ error: message });
          };
          worker.postMessage(asked);
        }),
      threads,
    );
    if (!reply.bits) throw new Error(reply.error ?? 'the tab said nothing');
    return reply.bits;
  } finally {
    await browser.close();
    server.close();
  }
}

async function serve(): Promise<Server> {
  const bodies = new Map<string, [type: string, body: string | Uint8Array]>([
    ['/', ['text/html', '<!doctype html><title>bits</title>']],
    ['/worker.js', ['text/javascript', await bundle('worker.ts')]],
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
