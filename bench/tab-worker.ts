import { createReadStream, existsSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { readManifest } from '#lib/shard/package/package-folder.ts';

const PUBLIC = fileURLToPath(new URL('../public', import.meta.url));

export interface TabWorkerJob {
  /** Folder of a model's package: its manifest is the worker's first message. */
  readonly folder: string;
  /** Path of the worker's module. */
  readonly worker: string;
  /** Closed at the end. */
  readonly browser: Browser;
}

/** What a worker of a page, where volunteers compute, answers to a package's manifest. */
export async function inTabWorker<Reply>(job: TabWorkerJob): Promise<Reply | { error: string }> {
  const { folder, browser } = job;
  const manifest = await readManifest(folder);
  const server = createServer(files(folder, await bundle(job.worker)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return await page.evaluate<Reply | { error: string }, unknown>(
      (message) =>
        new Promise((resolve) => {
          const worker = new Worker('/worker.js');
          worker.onmessage = ({ data }: MessageEvent<Reply>) => {
            resolve(data);
          };
          worker.onerror = ({ message: error }) => {
            resolve({ error });
          };
          worker.postMessage(message);
        }),
      manifest,
    );
  } finally {
    await browser.close();
    server.close();
  }
}

async function bundle(worker: string): Promise<string> {
  const built = await build({
    ...{ entryPoints: [worker], bundle: true, write: false, format: 'iife' },
    // ONNX Runtime's files come from the server, as in the product.
    conditions: ['onnxruntime-web-use-extern-wasm'],
    define: { 'import.meta.url': 'location.href' },
  });
  return built.outputFiles[0]?.text ?? '';
}

/**
 * The page, its worker, the kernels, ONNX Runtime and the package's chunks. Isolated: timers tell
 * 5 µs apart.
 */
function files(folder: string, worker: string): RequestListener {
  return (request, response) => {
    const url = request.url ?? '';
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    if (url === '/worker.js') {
      response.setHeader('content-type', 'text/javascript');
      return void response.end(worker);
    }
    if (url === '/') {
      response.setHeader('content-type', 'text/html');
      return void response.end('<!doctype html><title>bench</title>');
    }
    const isOurs = /^\/(kernels|ort\/[\w.-]+)\/[\w.-]+$/.test(url);
    const path = isOurs ? join(PUBLIC, url) : join(folder, 'chunks', basename(url));
    if (!existsSync(path)) return void response.writeHead(404).end();
    if (path.endsWith('.mjs')) response.setHeader('content-type', 'text/javascript');
    if (path.endsWith('.wasm')) response.setHeader('content-type', 'application/wasm');
    createReadStream(path).pipe(response);
  };
}
