import { cp, mkdtemp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestJson } from '#lib/kernel/digest.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { manifestHash, type Manifest } from '#lib/shard/package/manifest.ts';
import { fetchManifest } from '#lib/shard/runtime/model-client.ts';
import { servePackageFile } from '#server/models/http.ts';
import { ModelRegistry } from '#server/models/registry.ts';
import { goldenPath } from '#tests/support/golden.ts';

let root = '';
let manifest: Manifest;
let http: Server;
let url = '';
/** What the server says to who asks for a manifest. */
let answer: (res: ServerResponse) => void = () => undefined;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-bad-manifest-'));
  const path = goldenPath('gguf/tiny-q8_0.gguf');
  ({ manifest } = await importModel({ path, root, id: 'tiny' as ModelId }));
  http = createServer((_req, res) => answer(res));
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
});
afterAll(async () => {
  http.closeAllConnections();
  http.close();
  await rm(root, { recursive: true, force: true });
});

/** A copy of the honest manifest in which something was changed by path: `parts.1.bytes`. */
function changed(path: string, value: unknown): unknown {
  const copy: unknown = structuredClone(manifest);
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  const owner = keys.reduce((node, key) => (node as Record<string, unknown>)[key], copy);
  (owner as Record<string, unknown>)[last] = value;
  return copy;
}

/** Asks as a node does, for a model of that hash; answers the code of the fault, or `taken`. */
async function codeOf(body: string, hash: string): Promise<string> {
  answer = (res) => void res.end(body);
  return fetchManifest(url, { id: 'tiny', hash }).then(
    () => 'taken',
    (error: unknown) => (error instanceof FaultError ? error.code : String(error)),
  );
}

const PATHS = [
  '../../../../etc/passwd',
  '/etc/passwd',
  '..',
  `${'a'.repeat(61)}/..`,
  'A'.repeat(64),
];
const HUGE = 2 ** 60;
const ABSURD: readonly (readonly [path: string, value: unknown])[] = [
  ['shape.layers', 2 ** 31],
  ['shape.layers', HUGE],
  ['shape.hidden', HUGE],
  ['shape.vocab', -1],
  ['shape.contextMax', 1e300],
  ['shape.ropeTheta', 0],
  ['parts.0.bytes', HUGE],
  ['parts.0.chunks.0.bytes', HUGE],
  ['parts.0.chunks.0.bytes', 0],
  ['parts.0.tensors.0.rows', HUGE],
  ['parts.0.tensors.0.bytes', 1.5],
  ['parts.1.tensors.2.offset', 0],
  ['parts.1.key', 'layer/../..'],
  ['tokenizer.bytes', HUGE],
  ['tokenizer.eosIds', [HUGE]],
  ['id', '../tiny'],
  ['parts', []],
];

describe('B3 a manifest from a server that lies', () => {
  it('[K3] the honest one is taken, so the others are refused for what is wrong with them', async () => {
    expect(await codeOf(JSON.stringify(manifest), manifestHash(manifest))).toBe('taken');
  });

  it('[K3] with another hash than the server named', async () => {
    const other = changed('name', 'Another name');
    expect(await codeOf(JSON.stringify(other), manifestHash(manifest))).toBe(
      'package/hash-mismatch',
    );
    const poisoned = changed('parts.0.chunks.0.sha256', '0'.repeat(64));
    expect(await codeOf(JSON.stringify(poisoned), manifestHash(manifest))).toBe(
      'package/hash-mismatch',
    );
  });

  it.each(ABSURD)(
    '[K3] with an absurd number under its right hash: %s = %s',
    async (path, value) => {
      const absurd = changed(path, value);
      expect(await codeOf(JSON.stringify(absurd), digestJson(absurd))).toBe('package/malformed');
    },
  );

  it.each(PATHS)('[K3] with a path for a chunk’s name under its right hash: %s', async (name) => {
    for (const owner of ['parts.0', 'tokenizer']) {
      const escaping = changed(`${owner}.chunks.0.sha256`, name);
      expect(await codeOf(JSON.stringify(escaping), digestJson(escaping))).toBe(
        'package/malformed',
      );
    }
  });

  it('[K3] that is no JSON, cut short, nested without end or longer than the limit', async () => {
    const text = JSON.stringify(manifest);
    const hash = manifestHash(manifest);
    for (const body of ['', 'null', '[]', text.slice(0, -1), '['.repeat(4_000_000)]) {
      expect(await codeOf(body, hash), body.slice(0, 20)).toBe('package/malformed');
    }
    const named = text.replace('{', '{"__proto__":{"id":"evil"},');
    expect(await codeOf(named, hash)).toBe('package/malformed');
    expect(Object.hasOwn(Object.prototype, 'id')).toBe(false);
    expect(await codeOf(`${text}${' '.repeat(9_000_000)}`, hash)).toBe('package/too-large');
  });

  it('[K3] that never ends is left after the limit', async () => {
    let sent = 0;
    answer = (res) => {
      const more = (): void => {
        while (!res.destroyed && res.write(' '.repeat(65_536))) sent += 65_536;
      };
      res.on('drain', more);
      more();
    };
    const asked = fetchManifest(url, { id: 'tiny', hash: manifestHash(manifest) });
    await expect(asked).rejects.toMatchObject({ code: 'package/too-large' });
    expect(sent).toBeLessThan(64_000_000);
  });
});

describe('B3 a manifest in the server’s own folder', () => {
  it('[K3] that is hostile is set aside with its code; the honest model beside it is served', async () => {
    const hostile = [
      ['path', changed('parts.0.chunks.0.sha256', '../../../../../../../etc/passwd')],
      ['absurd', changed('shape.layers', HUGE)],
      ['nested', '['.repeat(1_000_000)],
    ] as const;
    for (const [id, json] of hostile) {
      await mkdir(join(root, id), { recursive: true });
      const named = typeof json === 'string' ? json : JSON.stringify({ ...(json as object), id });
      await writeFile(join(root, id, 'manifest.json'), named);
    }
    await cp(join(root, 'tiny/chunks'), join(root, 'path/chunks'), { recursive: true });
    const registry = await ModelRegistry.open([root]);
    expect(registry.list().map((model) => model.manifest.id)).toEqual(['tiny']);
    expect(registry.broken().map(({ fault }) => fault.code)).toEqual(
      hostile.map(() => 'package/malformed'),
    );
    answer = (res) => void res.end();
    const served = createServer((req, res) => {
      if (!servePackageFile(registry, req, res)) res.writeHead(418).end();
    });
    await new Promise<void>((done) => served.listen(0, '127.0.0.1', done));
    const origin = `http://127.0.0.1:${(served.address() as AddressInfo).port}`;
    const statuses = await Promise.all(
      [
        '/models/path/manifest.json',
        `/models/chunks/${encodeURIComponent('../../../../../../../etc/passwd')}`,
        '/models/tiny/manifest.json',
        `/models/chunks/${manifest.parts[0]?.chunks[0]?.sha256 ?? ''}`,
      ].map(async (path) => (await fetch(origin + path)).status),
    );
    served.closeAllConnections();
    served.close();
    expect(statuses).toEqual([404, 404, 200, 200]);
    expect(await readdir(join(root, 'path/chunks'))).not.toContain('passwd');
  });
});
