import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadTls } from '#server/tls.ts';
import { whyUnreachable } from '#server/volunteer/reach.ts';

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function portOf(server: Server): Promise<number> {
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const answering =
  (status: number): RequestListener =>
  (_req, res) =>
    void res.writeHead(status).end();

describe('a server that the volunteer cannot reach', () => {
  it('is silent about one that answers', async () => {
    const port = await portOf(createServer(answering(200)));
    expect(await whyUnreachable(`http://127.0.0.1:${port}`)).toBeNull();
  });

  it('names a server of another kind, and a port where nobody listens', async () => {
    const server = createServer(answering(404));
    const url = `http://127.0.0.1:${await portOf(server)}`;
    expect(await whyUnreachable(url)).toMatch(/answers 404 .* DeCLAI/);
    await new Promise((resolve) => server.close(resolve));
    expect(await whyUnreachable(url)).toContain(`cannot reach ${url} (ECONNREFUSED)`);
  });

  it('points to --insecure where nobody signed the certificate', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'declai-reach-'));
    try {
      const tls = await loadTls({ kind: 'self' }, folder);
      const port = await portOf(createTlsServer(tls ?? {}, answering(200)));
      expect(await whyUnreachable(`https://127.0.0.1:${port}`)).toContain('--insecure');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
