import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { isFault } from '#lib/kernel/errors.ts';
import { LEDGER_PATH } from '#lib/ledger/client/http-source.ts';
import { encodeAnswer, type Reply } from '#lib/ledger/client/wire/answers.ts';
import { decodeRequest, type Question } from '#lib/ledger/client/wire/requests.ts';
import { launchBrowser } from '../browser.ts';

/** Frames over HTTP as a gateway serves them, and the page itself. What it answers may be a lie. */
export class LedgerEndpoint implements AsyncDisposable {
  answer: (question: Question) => Reply;
  readonly #server: Server;
  readonly #files: ReadonlyMap<string, string>;

  private constructor(files: ReadonlyMap<string, string>, answer: (question: Question) => Reply) {
    this.#files = files;
    this.answer = answer;
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
  }

  static async open(
    answer: (question: Question) => Reply,
    files: ReadonlyMap<string, string> = new Map(),
  ): Promise<LedgerEndpoint> {
    const endpoint = new LedgerEndpoint(files, answer);
    await new Promise<void>((resolve) => endpoint.#server.listen(0, '127.0.0.1', resolve));
    return endpoint;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // The page is the first endpoint's; a second one is another origin.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', 'content-type');
    if (request.method === 'GET' || request.method === 'OPTIONS') {
      const file = this.#files.get(request.url ?? '');
      const isScript = request.url?.endsWith('.js') === true;
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      response.writeHead(file === undefined && request.method === 'GET' ? 404 : 200);
      response.end(file);
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const asked = decodeRequest(Uint8Array.from(Buffer.concat(parts)));
    if (request.url !== LEDGER_PATH || isFault(asked)) {
      response.writeHead(400).end();
      return;
    }
    response.setHeader('content-type', 'application/octet-stream');
    response.end(encodeAnswer({ ...this.answer(asked), tag: asked.tag }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A tab with a light client, everything that it connects to written down. */
export interface LightTab extends AsyncDisposable {
  readonly page: Page;
  /** Origin and path of every request and socket so far. */
  readonly reached: Set<string>;
  /** An endpoint that served the page. */
  readonly endpoint: LedgerEndpoint;
}

export async function openLightTab(answer: (question: Question) => Reply): Promise<LightTab> {
  const built = await build({
    entryPoints: [fileURLToPath(new URL('light-page.ts', import.meta.url))],
    ...{ bundle: true, write: false, format: 'iife', platform: 'browser' },
  });
  const files = new Map([
    ['/', '<!doctype html><link rel="icon" href="data:,"><script src="/light.js"></script>'],
    ['/light.js', built.outputFiles[0]?.text ?? ''],
  ]);
  const endpoint = await LedgerEndpoint.open(answer, files);
  const browser: Browser = await launchBrowser();
  const page = await browser.newPage();
  const reached = new Set<string>();
  const write = (url: string) => {
    const { protocol, origin, pathname } = new URL(url);
    if (protocol !== 'data:') reached.add(origin + pathname);
  };
  page.on('request', (request) => write(request.url()));
  page.on('websocket', (socket) => write(socket.url()));
  await page.goto(`${endpoint.origin}/`);
  return {
    ...{ page, reached, endpoint },
    async [Symbol.asyncDispose]() {
      await browser.close();
      await endpoint[Symbol.asyncDispose]();
    },
  };
}
