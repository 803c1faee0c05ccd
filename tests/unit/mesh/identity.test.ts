import 'fake-indexeddb/auto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { dexieKeyStore } from '#lib/shard/mesh/browser.ts';
import {
  keyPairFromSeed,
  memoryKeyStore,
  newNodeKeys,
  newSeed,
  verifyCertificate,
} from '#lib/shard/mesh/identity.ts';
import { makeHello, refuseHello } from '#lib/shard/mesh/hello.ts';
import { fileKeyStore } from '#lib/shard/mesh/server.ts';
import { PROFILE } from '#tests/support/profile.ts';

const identity = keyPairFromSeed<IdentityId>(new Uint8Array(32).fill(7));

describe('[M1] keys', () => {
  it('are Ed25519 as in RFC 8032, test 1', () => {
    const seed = Uint8Array.from(
      Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'),
    );
    const pair = keyPairFromSeed<NodeId>(seed);
    expect(pair.id).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
    expect(toHex(pair.sign(new Uint8Array()))).toBe(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155' +
        '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    );
  });

  it('three tabs of a profile are three nodes of one owner', () => {
    const tabs = [newNodeKeys(identity), newNodeKeys(identity), newNodeKeys(identity)];
    expect(new Set(tabs.map((keys) => keys.node.id)).size).toBe(3);
    for (const { node, certificate } of tabs) {
      expect(verifyCertificate(identity.id, node.id, certificate)).toBe(true);
    }
    const [first, second] = tabs as [(typeof tabs)[0], (typeof tabs)[0]];
    expect(verifyCertificate(identity.id, first.node.id, second.certificate)).toBe(false);
  });
});

describe('[M2] a hello', () => {
  const challenged = { origin: 'https://declai.example', nonce: '5'.repeat(64) };
  const hello = makeHello(newNodeKeys(identity), challenged, { profile: PROFILE, resume: null });
  const stranger = newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));

  it('is taken by the server that asked', () => {
    expect(refuseHello(hello, challenged)).toBeNull();
  });

  it.each([
    ['to another server', hello, { ...challenged, origin: 'https://evil.example' }],
    ['to another challenge', hello, { ...challenged, nonce: '6'.repeat(64) }],
    ['with another profile', { ...hello, profile: { ...PROFILE, threads: 64 } }, challenged],
    ['with another node', { ...hello, node: stranger.node.id }, challenged],
    ['of another owner', { ...hello, identity: stranger.identity }, challenged],
    ['with another certificate', { ...hello, certificate: stranger.certificate }, challenged],
    ['with another version', { ...hello, protocol: WIRE.protocolVersion + 1 }, challenged],
    ['with a torn signature', { ...hello, signature: '0'.repeat(128) }, challenged],
  ])('%s: refused', (_, said, asked) => {
    expect(refuseHello(said, asked)).toBeTypeOf('string');
  });
});

describe('KeyStore', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'declai-keys-'));
  afterAll(() => rm(folder, { recursive: true }));
  const path = join(folder, 'deep', 'identity.key');
  const shared = memoryKeyStore();

  it.each([
    ['memory', () => shared],
    ['file', () => fileKeyStore(path)],
    ['dexie', () => dexieKeyStore()],
  ])('%s: all who start at once agree on one seed, and find it again', async (_, open) => {
    const seeds = await Promise.all([1, 2, 3, 4].map(() => open().loadOrSave(newSeed())));
    expect(new Set(seeds.map(toHex)).size).toBe(1);
    expect(toHex(await open().loadOrSave(newSeed()))).toBe(toHex(seeds[0] ?? new Uint8Array()));
  });

  it('file: private, with nothing left beside it, and never replaced where damaged', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'deep'))).toEqual(['identity.key']);
    await writeFile(path, 'damaged');
    await expect(fileKeyStore(path).loadOrSave(newSeed())).rejects.toMatchObject({
      code: 'server/config',
    });
    expect(await readFile(path, 'utf8')).toBe('damaged');
  });
});
