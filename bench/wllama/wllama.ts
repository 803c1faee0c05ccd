import { createReadStream, existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import { FaultError } from '#lib/kernel/errors.ts';
import { launchBrowser } from '#tests/support/browser.ts';

const PEERS = fileURLToPath(new URL('../peers/', import.meta.url));
const IN_TAB = fileURLToPath(new URL('./in-tab.mjs', import.meta.url));
const DIST = join(PEERS, 'node_modules/@wllama/wllama/esm');

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
}

/** wllama in a tab of the same Chromium, one thread, no GPU: one warm-up, then one timed answer. */
export async function runWllama(job: PeerJob): Promise<PeerRun> {
  installPeers();
  const server = await serve({
    '/': { type: 'text/html', path: null },
    '/in-tab.mjs': { type: 'text/javascript', path: IN_TAB },
    '/wllama.js': { type: 'text/javascript', path: join(DIST, 'index.js') },
    '/wllama.wasm': { type: 'application/wasm', path: join(DIST, 'wasm/wllama.wasm') },
    '/model.gguf': { type: 'application/octet-stream', path: job.gguf },
  });
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await page.goto(origin);
    const call = `import('/in-tab.mjs').then((tab) => tab.run(${JSON.stringify({ ...job, origin })}))`;
    return await page.evaluate<PeerRun>(call);
  } finally {
    await browser.close();
    server.close();
  }
}

function installPeers(): void {
  if (existsSync(DIST)) return;
  const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: PEERS,
    stdio: ['ignore', 2, 2],
  });
  if (done.status !== 0)
    throw new FaultError('server/config', 'could not install the peers of the bench');
}

function serve(
  files: Readonly<Record<string, { type: string; path: string | null }>>,
): Promise<Server> {
  const server = createServer((req, res) => {
    const file = files[req.url ?? ''];
    res.writeHead(file ? 200 : 404, { 'content-type': file?.type ?? 'text/plain' });
    if (!file?.path) return void res.end('<!doctype html><title>peer</title>');
    createReadStream(file.path).pipe(res);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
