import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { loadConfig } from '#server/replica/config.ts';
import { makeNetwork } from '#server/replica/genesis.ts';
import { hostAt } from '#server/replica/network-plan.ts';
import { prepareNewcomer, type NewcomerOptions } from '#server/replica/newcomer.ts';
import { parseReplicaOptions } from '#server/replica/options.ts';
import { nextKeysFile, prepareRotation } from '#server/replica/rekey.ts';
import { localNetwork, type LocalNetwork } from '#tests/support/ledger/local-network.ts';
import { signerOf } from '#tests/support/ledger/world.ts';

let network: LocalNetwork;
beforeAll(async () => {
  network = await localNetwork();
});
afterAll(() => network.remove());

const operatorKey = Uint8Array.from(signerOf('newcomer').publicKey);
const optionsOf = (folder: string, more: Partial<NewcomerOptions> = {}): NewcomerOptions => ({
  ...{ genesisFile: network.genesisFile, folder: join(network.folder, folder), operatorKey },
  ...{ at: { host: '127.0.0.1', port: 7_000 }, epoch: 3, isLost: false },
  ...more,
});

test('[X15] a newcomer has a folder of its own, and speaks for the same keys again', async () => {
  const options = optionsOf('newcomer');
  // As a call that was killed leaves it.
  await mkdir(`${options.folder}.new`);
  await writeFile(join(`${options.folder}.new`, 'keys.json'), 'half');
  const first = await prepareNewcomer(options);
  expect(first).toMatchObject({ type: 'add-replica', address: '127.0.0.1:7000', epoch: 3 });
  expect(await readdir(network.folder)).not.toContain('newcomer.new');
  const again = await prepareNewcomer({ ...options, epoch: 4 });
  expect(again.voteKey).toBe(first.voteKey);
  expect(again.possession).not.toBe(first.possession);
  const config = await loadConfig(join(options.folder, 'replica.json'));
  expect(config.listen).toEqual(hostAt(options.at));
  expect(toHex(config.keys.operatorKey)).toBe(first.operatorKey);
  expect(await readdir(config.dataDir)).toEqual([`wal-${first.voteKey.slice(0, 16)}`]);
  // One that lost its keys is a rotation, of its transport key too.
  expect(await prepareNewcomer({ ...options, isLost: true })).toMatchObject({
    ...{ type: 'rotate-replica', transportKey: first.transportKey },
  });
});

test('[X15] what is another’s is not spoken for, and what cannot be reached is not made', async () => {
  const options = optionsOf('mine');
  await prepareNewcomer(options);
  const stranger = Uint8Array.from(signerOf('stranger').publicKey);
  await expect(prepareNewcomer({ ...options, operatorKey: stranger })).rejects.toThrow(/another/);
  const other = await localNetwork();
  const { genesisFile } = other;
  await expect(prepareNewcomer({ ...options, genesisFile })).rejects.toThrow(/another network/);
  await other.remove();
  const high = optionsOf('high', { at: { host: '127.0.0.1', port: 65_534 } });
  await expect(prepareNewcomer(high)).rejects.toThrow(/three ports/);
  expect(await readdir(network.folder)).not.toContain('high');
});

test('[X10] keys that wait have their log: without it others are made', async () => {
  const config = network.configs[0]!;
  const first = await prepareRotation(config, 1);
  expect((await prepareRotation(config, 2)).voteKey).toBe(first.voteKey);
  const { dataDir, keysFile } = await loadConfig(config);
  await rm(join(dataDir, `wal-${first.voteKey.slice(0, 16)}`), { recursive: true });
  const other = await prepareRotation(config, 2);
  expect(other.voteKey).not.toBe(first.voteKey);
  expect(await readdir(dataDir)).toContain(`wal-${other.voteKey.slice(0, 16)}`);
  // As a call that was killed leaves it: nothing waits, and the replica starts.
  await rm(nextKeysFile(keysFile));
  await writeFile(`${nextKeysFile(keysFile)}.new`, '{');
  await loadConfig(config);
  expect((await prepareRotation(config, 2)).voteKey).not.toBe(other.voteKey);
  expect(await readFile(nextKeysFile(keysFile), 'utf8')).toContain('voteSeed');
});

test('[X9] a network that could not run is not made', async () => {
  const hosts = [7_000, 7_010, 7_020, 7_030].map((port) => hostAt({ host: 'h', port }));
  const [first, ...others] = hosts;
  const good = { name: 'n', hosts, gateways: [], timeMs: 0 };
  const gateway = { publicKey: operatorKey, grantsPerDay: 1n, grantMicroMax: 1n };
  const gateways = [1, 2].map(() => ({ ...gateway, subsidyPerDayMicro: 0n }));
  for (const [change, says] of [
    [{ hosts: [...others, hostAt({ host: 'h', port: 65_534 })] }, /three ports/],
    [{ hosts: [...others, hostAt({ host: 'h', port: 0 })] }, /three ports/],
    [{ hosts: [...others, hostAt({ host: 'h', port: 7_012 })] }, /h:7012 is needed twice/],
    [{ hosts: [...others, hostAt({ host: 'h'.repeat(64), port: 1 })] }, /too long/],
    [{ hosts: [first, ...others.slice(1)] }, /4 to 32 replicas, not 3/],
    [{ name: '' }, /1 to 64 bytes/],
    [{ name: 'é'.repeat(33) }, /not 66/],
    [{ gateways }, /named twice/],
  ] as const) {
    const folder = join(network.folder, 'never');
    const options = { ...good, ...change } as typeof good;
    await expect(makeNetwork(folder, options)).rejects.toThrow(says);
    await expect(readdir(folder)).rejects.toThrow(/ENOENT/);
  }
});

test('[X9] what is typed is read strictly', () => {
  const key = 'ab'.repeat(32);
  const made = ['--genesis', 'g', '--listen', 'h:7000', '--operator', key, '--out', 'o'];
  expect(parseReplicaOptions(['--help'])).toBeNull();
  expect(parseReplicaOptions(['--config', '/r.json'])).toEqual({
    command: 'run',
    config: '/r.json',
  });
  expect(parseReplicaOptions(['rekey', '--config', '/r', '--epoch', '3'])).toMatchObject({
    epoch: 3,
  });
  expect(parseReplicaOptions(['new', ...made, '--epoch', '0', '--lost'])).toMatchObject({
    ...{ command: 'new', at: { host: 'h', port: 7_000 }, epoch: 0, isLost: true },
  });
  for (const [wrong, says] of [
    [[], /--config FILE/],
    [['--config', 'r', '--epoch', '3'], /takes no epoch/],
    [['rekey', '--config', 'r'], /--epoch is a whole number/],
    [['rekey', '--config', 'r', '--epoch', '0x1'], /0x1/],
    [['rekey', '--config', 'r', '--epoch', '1', 'more'], /takes no more/],
    [['new', ...made], /--epoch/],
    [['new', ...made.slice(2), '--epoch', '1'], /--genesis FILE/],
    [['new', ...made, '--operator', 'ab', '--epoch', '1'], /64 hex digits/],
    [['new', ...made, '--listen', 'h', '--epoch', '1'], /HOST:PORT/],
    [['frob'], /no command frob/],
    [['--frob'], /frob/],
  ] as const) {
    expect(() => parseReplicaOptions([...wrong]), wrong.join(' ')).toThrow(says);
  }
});
