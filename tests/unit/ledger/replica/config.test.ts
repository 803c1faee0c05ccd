import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig, loadKeys } from '#server/replica/config.ts';
import { makeNetwork } from '#server/replica/genesis.ts';
import { hostPort } from '#server/replica/transport/tls.ts';
import { localNetwork, type LocalNetwork } from '#tests/support/ledger/local-network.ts';

let network: LocalNetwork;
beforeAll(async () => {
  network = await localNetwork();
});
afterAll(() => network.remove());

test('[X9] what genesis writes is what a replica reads; secrets are their owner’s', async () => {
  const config = await loadConfig(network.configs[1]!);
  expect(config.genesis).toEqual(network.genesis);
  expect(config.keys.operatorKey).toEqual(network.genesis.replicas[1]?.operatorKey);
  expect(config.listen).toEqual(network.hosts[1]);
  for (const file of [join(network.folders[1]!, 'keys.json'), network.operatorFiles[1]!]) {
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  }
  const keys = await readFile(join(network.folders[1]!, 'keys.json'), 'utf8');
  expect(keys).not.toContain('operatorSeed');
});

test('[X9] keys that others may read are refused', async () => {
  const file = join(network.folders[0]!, 'keys.json');
  await chmod(file, 0o640);
  await expect(loadKeys(file)).rejects.toMatchObject({ code: 'server/config' });
  await chmod(file, 0o600);
  await expect(loadKeys(file)).resolves.toBeDefined();
});

test('[X9] a wrong configuration says where', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'declai-config-'));
  const file = join(folder, 'replica.json');
  const good = JSON.parse(await readFile(network.configs[0]!, 'utf8')) as Record<string, unknown>;
  const listen = good['listen'] as Record<string, string>;
  for (const [change, says] of [
    [{ data: undefined }, /data/],
    [{ more: 1 }, /more/],
    [{ listen: { ...listen, clients: 'nowhere' } }, /listen\.clients.*host:port/],
    [{ listen: { ...listen, clients: '127.0.0.1:70000' } }, /host:port/],
  ] as const) {
    await writeFile(file, JSON.stringify({ ...good, ...change }));
    await expect(loadConfig(file)).rejects.toThrow(says);
  }
  await writeFile(file, '{');
  await expect(loadConfig(file)).rejects.toThrow(/no JSON/);
  await rm(folder, { recursive: true });
  await expect(loadConfig(file)).rejects.toThrow(/cannot read/);
});

test('[X9] keys and genesis are never written over; fewer than four hosts are no network', async () => {
  const options = { name: 'again', hosts: network.hosts, gateways: [], timeMs: 0 };
  await expect(makeNetwork(network.folder, options)).rejects.toMatchObject({
    code: 'server/config',
  });
  const three = { ...options, hosts: network.hosts.slice(1) };
  await expect(makeNetwork(network.folder, three)).rejects.toThrow(/4 to/);
});

test('[X9] addresses', () => {
  expect(hostPort('[::1]:80')).toEqual({ host: '::1', port: 80 });
  expect(hostPort('ledger.example.org:7000')).toEqual({ host: 'ledger.example.org', port: 7000 });
  for (const wrong of ['', 'host', ':80', 'host:', '::1:80', 'host:99999', 'a b:80']) {
    expect(hostPort(wrong)).toBeNull();
  }
});
