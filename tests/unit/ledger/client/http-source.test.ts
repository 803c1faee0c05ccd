import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { toFault } from '#lib/kernel/errors.ts';
import { MIB } from '#lib/kernel/units.ts';
import { httpSource } from '#lib/ledger/client/http-source.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';

/** A server that answers anything as it was told. */
let server: Server;
let answer: (response: ServerResponse) => void;
let asked = 0;
let open = 0;
beforeEach(async () => {
  [asked, open] = [0, 0];
  server = createServer((request, response) => {
    request.resume();
    asked += 1;
    open += 1;
    response.on('close', () => (open -= 1));
    answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const TIMEOUT_MS = 500;

async function codeOf(answering: typeof answer, timeoutMs = TIMEOUT_MS): Promise<string> {
  answer = answering;
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const source = httpSource(origin, timeoutMs);
  return source.ask({ type: 'status' }).then(
    () => 'answered',
    (error: unknown) => toFault(error, 'server/config').code,
  );
}

/** As fast as it is read, for ever. */
function endless(response: ServerResponse): void {
  while (!response.destroyed) {
    if (response.write(new Uint8Array(64 * 1_024))) continue;
    response.once('drain', () => endless(response));
    return;
  }
}

test('[L5] a source that leads elsewhere is not followed', async () => {
  for (const status of [301, 302, 307, 308]) {
    const code = await codeOf((response) =>
      response.writeHead(status, { location: '/ledger/1' }).end(),
    );
    expect(code).toBe('mesh/closed');
  }
  expect(asked).toBe(4);
});

test('[L1] what a source sends is bounded in bytes and time, whatever it calls it', async () => {
  const bomb = gzipSync(new Uint8Array(CLIENT_LIMITS.answerBytesMax + MIB));
  for (const [answering, code] of [
    [(response: ServerResponse) => endless(response), 'wire/too-large'],
    [
      (response: ServerResponse) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
      'wire/too-large',
    ],
    [(response: ServerResponse) => response.write('x'), 'kernel/timeout'],
    [() => undefined, 'kernel/timeout'],
    [
      (response: ServerResponse) =>
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      'wire/malformed',
    ],
    [(response: ServerResponse) => response.writeHead(204).end(), 'wire/malformed'],
    [(response: ServerResponse) => response.destroy(), 'mesh/closed'],
  ] as const) {
    expect(await codeOf(answering)).toBe(code);
  }
});

test('[L1] what comes with a refusal is not waited for', async () => {
  const startedAt = performance.now();
  const code = await codeOf((response) => endless(response.writeHead(500)), 20_000);
  expect(code).toBe('mesh/refused');
  await vi.waitFor(() => expect(open).toBe(0), 5_000);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});
