import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256Hex } from '#lib/kernel/digest.ts';
import type { ChunkHash, ModelId } from '#lib/kernel/ids.ts';
import { parseManifest } from '#lib/shard/package/check-manifest.ts';
import { fetchParts } from '#lib/shard/package/fetch-chunks.ts';
import { httpChunkFetcher } from '#lib/shard/package/http-fetcher.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { manifestHash, type Manifest } from '#lib/shard/package/manifest.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { servePackageFile } from '#server/models/http.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import { goldenPath } from '#tests/support/golden.ts';

let root = '';
let server: Server;
let origin = '';
let manifest: Manifest;
let hash: ChunkHash;
let size = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-http-'));
  const path = goldenPath('gguf/tiny-q8_0.gguf');
  ({ manifest } = await importModel({ path, root, id: 'tiny' as ModelId }));
  const chunk = manifest.parts[1]?.chunks[0];
  hash = chunk?.sha256 as ChunkHash;
  size = chunk?.bytes ?? 0;
  const registry = await ModelRegistry.open([root]);
  server = createServer((req, res) => {
    if (!servePackageFile(registry, req, res)) res.writeHead(418).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(root, { recursive: true, force: true });
});

const get = (path: string, init?: RequestInit) => fetch(origin + path, init);
const chunkPath = (name: string = hash) => `/models/chunks/${name}`;

/** A path as it is, with none of the tidying that fetch does. */
const rawStatus = (path: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    const { port } = server.address() as AddressInfo;
    request({ port, path, host: '127.0.0.1' }, (res) => {
      res.resume();
      resolve(res.statusCode);
    })
      .on('error', reject)
      .end();
  });

describe('package files over HTTP', () => {
  it('[K9] serves a manifest whose bytes hash to the model’s identity', async () => {
    const response = await get('/models/tiny/manifest.json?again=1');
    const text = await response.text();
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(manifestHash(parseManifest(text))).toBe(manifestHash(manifest));
    expect(response.headers.get('etag')).toBe(`"${sha256Hex(new TextEncoder().encode(text))}"`);
    expect(response.headers.get('cache-control')).toContain('max-age=5');
    const etag = response.headers.get('etag') ?? '';
    const again = await get('/models/tiny/manifest.json', { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
  });

  it('[K9] serves a chunk for ever, to any origin', async () => {
    const response = await get(chunkPath());
    expect(sha256Hex(new Uint8Array(await response.arrayBuffer()))).toBe(hash);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'content-length': String(size),
    });
  });

  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=10-19', 10, 19],
    ['bytes=10-', 10, Infinity],
    ['bytes=-5', -5, Infinity],
    ['bytes=0-999999999', 0, Infinity],
  ])('[K9] serves the range %s', async (range, from, to) => {
    const whole = new Uint8Array(await (await get(chunkPath())).arrayBuffer());
    const response = await get(chunkPath(), { headers: { range } });
    const start = from < 0 ? size + from : from;
    const end = Math.min(to, size - 1);
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end}/${size}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect(sha256Hex(bytes)).toBe(sha256Hex(whole.slice(start, end + 1)));
  });

  it('[K9] refuses a range beyond the end, and ignores forms it does not know', async () => {
    const beyond = await get(chunkPath(), { headers: { range: `bytes=${size}-` } });
    expect(beyond.status).toBe(416);
    expect(beyond.headers.get('content-range')).toBe(`bytes */${size}`);
    for (const range of ['bytes=0-1,3-4', 'lines=1-2', 'bytes=9-3', 'bytes=-']) {
      expect((await get(chunkPath(), { headers: { range } })).status).toBe(200);
    }
    const headers = { range: 'bytes=0-1', 'if-range': '"another"' };
    expect((await get(chunkPath(), { headers })).status).toBe(200);
  });

  it('[K9] answers HEAD without a body', async () => {
    const response = await get(chunkPath(), { method: 'HEAD' });
    expect(response.headers.get('content-length')).toBe(String(size));
    expect(await response.text()).toBe('');
  });

  it('[K9] serves names shaped like a hash only, and only those of its models', async () => {
    const { length } = hash;
    const names = [
      '..%2f..%2fetc%2fpasswd',
      '%2e%2e',
      hash.toUpperCase(),
      `${hash}%00`,
      hash.slice(1),
      '0'.repeat(length),
    ];
    for (const name of names) expect(await rawStatus(chunkPath(name)), name).toBe(404);
    expect(await rawStatus('/models/..%2ftiny/manifest.json')).toBe(404);
    expect(await rawStatus('/models/none/manifest.json')).toBe(404);
    expect(await rawStatus('/models/chunks/../../package.json')).toBe(418);
  });

  it('[K9] refuses other methods and leaves other paths alone', async () => {
    expect((await get(chunkPath(), { method: 'POST' })).status).toBe(405);
    expect((await get(chunkPath(), { method: 'OPTIONS' })).status).toBe(204);
    expect((await get('/models')).status).toBe(418);
    expect((await get('/models/tiny')).status).toBe(418);
  });

  it('[K6] is where a client’s chunks come from', async () => {
    const store = memoryChunkStore();
    const parts = ['embedding', 'layer/0'] as const;
    const fetchChunk = httpChunkFetcher(origin);
    const { networkBytes, totalBytes } = await fetchParts({ manifest, parts, store, fetchChunk });
    expect(networkBytes).toBe(totalBytes);
    expect(await store.has(hash)).toBe(true);
    const missing = { sha256: '0'.repeat(64) as ChunkHash, bytes: 1 };
    const refusal = fetchChunk(missing, new AbortController().signal);
    await expect(refusal).rejects.toMatchObject({ code: 'package/not-found' });
    const short = fetchChunk({ sha256: hash, bytes: 3 }, new AbortController().signal);
    await expect(short).rejects.toMatchObject({ code: 'package/hash-mismatch' });
  });
});
