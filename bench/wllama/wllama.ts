import { createReadStream } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchBrowser } from '#tests/support/browser.ts';
import { installPeers, PEERS } from '../install-peers.ts';

const IN_TAB = fileURLToPath(new URL('./in-tab.mjs', import.meta.url));
const DIST = join(PEERS, 'node_modules/@wllama/wllama/esm');

/**
 * wllama is faster with Q8_0 than with Q4_1. Measured on one machine: 21.6 against 13.7 tokens/s,
 * and a first token after 2.95 s against 6.1 s. The ratios turn what it does with the same file
 * into its best.
 */
export const BEST_OF_PEER = { decode: 21.6 / 13.7, ttft: 2.95 / 6.1 } as const;

export interface PeerRun {
  readonly ttftMs: number;
  readonly tokensPerSecond: number;
  readonly promptTokens: number;
  readonly newTokens: number;
}

export interface PeerJob {
  readonly gguf: string;
  readonly prompt: string;
  readonly newTokens: number;
  readonly threads: number;
}

/** wllama in a tab of the same Chromium, no GPU: one warm-up, then one timed answer. */
export async function runWllama(job: PeerJob): Promise<PeerRun> {
  const server = await servePeer(job.gguf);
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(server.origin);
    return await page.evaluate<PeerRun>(callOf(job, server.origin));
  } finally {
    await browser.close();
    server.close();
  }
}

/** An expression whose value is a promise of `PeerRun`, in a page of `servePeer`. */
export const callOf = (job: PeerJob, origin: string): string =>
  `import('/in-tab.mjs').then((tab) => tab.run(${JSON.stringify({ ...job, origin })}))`;

/** A page with wllama and a model beside it. */
export async function servePeer(gguf: string): Promise<{ origin: string; close: () => void }> {
  installPeers('@wllama/wllama');
  const server = await serve({
    '/': { type: 'text/html', path: null },
    '/in-tab.mjs': { type: 'text/javascript', path: IN_TAB },
    '/wllama.js': { type: 'text/javascript', path: join(DIST, 'index.js') },
    '/wllama.wasm': { type: 'application/wasm', path: join(DIST, 'wasm/wllama.wasm') },
    '/model.gguf': { type: 'application/octet-stream', path: gguf },
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, close: () => server.close() };
}

function serve(
  files: Readonly<Record<string, { type: string; path: string | null }>>,
): Promise<Server> {
  const server = createServer((req, res) => {
    const file = files[req.url ?? ''];
    // Isolated: without shared memory there is one thread, whatever is asked for.
    res.writeHead(file ? 200 : 404, {
      'content-type': file?.type ?? 'text/plain',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    });
    if (!file?.path) return void res.end('<!doctype html><title>peer</title>');
    createReadStream(file.path).pipe(res);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
