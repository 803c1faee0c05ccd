import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Ed25519Case } from '#tests/golden/ledger/ed25519-cases.ts';
import { launchBrowser } from '../browser.ts';
import type { WrongKinds } from './page.ts';

export interface LedgerPage extends AsyncDisposable {
  verifyAll(cases: readonly Ed25519Case[]): Promise<WrongKinds>;
}

/** A tab with the ledger's browser side and nothing else, on a page of this machine. */
export async function startLedgerPage(): Promise<LedgerPage> {
  const built = await build({
    entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
  });
  const script = built.outputFiles[0]?.text ?? '';
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : '<!doctype html><script src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await launchBrowser();
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return {
    verifyAll: (cases) => page.evaluate((given) => globalThis.ledgerPage.verifyAll(given), cases),
    async [Symbol.asyncDispose]() {
      await browser.close();
      server.close();
    },
  };
}
