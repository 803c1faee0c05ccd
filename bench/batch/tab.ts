import { createReadStream, existsSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { FaultError } from '#lib/kernel/errors.ts';
import { readManifest } from '#lib/shard/package/package-folder.ts';
import type { Numerics } from '#lib/webgpu/model.ts';
import { launchBrowser } from '#tests/support/browser.ts';
import type { BatchRate } from './measure.ts';

const KERNELS = fileURLToPath(new URL('../../public/kernels/kernels.wasm', import.meta.url));
const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));

export interface NumericsRates {
  readonly numerics: Numerics;
  readonly rates: readonly BatchRate[];
}

interface TabReply {
  readonly rates?: readonly NumericsRates[];
  readonly error?: string;
}

/** The same measurement in a worker of a page of Chromium, where volunteers compute. */
export async function measureInTab(
  folder: string,
): Promise<{ version: string; rates: readonly NumericsRates[] }> {
  const manifest = await readManifest(folder);
  const server = createServer(files(folder, await bundle()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const reply = await page.evaluate<TabReply, unknown>(
      (message) =>
        new Promise((resolve) => {
          const worker = new Worker('/worker.js');
          worker.onmessage = ({ data }: MessageEvent<TabReply>) => {
            resolve(data);
          };
          worker.onerror = ({ message: error }) => {
            resolve({ error });
          };
          worker.postMessage(message);
        }),
      manifest,
    );
    if (!reply.rates) throw new FaultError('engine/lost', reply.error ?? 'the tab said nothing');
    return { version: browser.version(), rates: reply.rates };
  } finally {
    await browser.close();
    server.close();
  }
}

async function bundle(): Promise<string> {
  const built = await build({ entryPoints: [WORKER], bundle: true, write: false, format: 'iife' });
  return built.outputFiles[0]?.text ?? '';
}

/** The page, its worker, the kernels and the package's chunks. Isolated: timers tell 5 µs apart. */
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
      return void response.end('<!doctype html><title>batch</title>');
    }
    const path = url === '/kernels/kernels.wasm' ? KERNELS : join(folder, 'chunks', basename(url));
    if (!existsSync(path)) return void response.writeHead(404).end();
    createReadStream(path).pipe(response);
  };
}
