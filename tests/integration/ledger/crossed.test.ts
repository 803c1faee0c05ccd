import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHex } from '#lib/kernel/bytes.ts';
import { nodeSha256, nodeSigner } from '#lib/ledger/crypto/server.ts';
import { checkFolder } from '#lib/ledger/store/fsck.ts';
import { logFolderName } from '#lib/ledger/store/store.ts';
import { ChildReplica } from '#tests/support/ledger/child-replica.ts';
import { localNetwork, type LocalNetwork } from '#tests/support/ledger/local-network.ts';

/** Disks, networks and processes that do not belong together. */

interface Settings {
  genesis: string;
  keys: string;
  data: string;
}

let ours: LocalNetwork;
let others: LocalNetwork;
beforeAll(async () => {
  [ours, others] = [await localNetwork(), await localNetwork()];
});
afterAll(() => Promise.all([ours.remove(), others.remove()]));

const folderOf = (network: LocalNetwork): string => network.folders[0]!;
const settingsOf = async (network: LocalNetwork): Promise<Settings> =>
  JSON.parse(await readFile(network.configs[0]!, 'utf8')) as Settings;

/** Our first replica's configuration, beside the true one, with something else in it. */
async function changed(name: string, change: Partial<Settings>): Promise<string> {
  const file = join(folderOf(ours), `${name}.json`);
  await writeFile(file, JSON.stringify({ ...(await settingsOf(ours)), ...change }));
  return file;
}

/** What a process says that does not come up. */
async function refusal(config: string): Promise<string> {
  const child = new ChildReplica(config);
  await child.start();
  await child.kill();
  return child.said;
}

async function logOf(network: LocalNetwork): Promise<string> {
  const { data, keys } = await settingsOf(network);
  const text = await readFile(join(folderOf(network), keys), 'utf8');
  const { voteSeed } = JSON.parse(text) as { voteSeed: string };
  const key = nodeSigner(fromHex(voteSeed)!).publicKey;
  return join(folderOf(network), data, logFolderName(key));
}

test('[B1] [X9] a second process on a data folder says whose it is, and the first goes on', async () => {
  const first = new ChildReplica(ours.configs[0]!);
  await first.start();
  expect(await refusal(ours.configs[0]!)).toMatch(/^ledger\/folder-in-use: another replica works/m);
  await first.stop();
  expect(first.said).not.toMatch(/^ledger\//m);
}, 60_000);

test('[B2] [X9] a genesis of another network is refused, and a log of another chain, each by its code', async () => {
  const genesis = join(folderOf(others), (await settingsOf(others)).genesis);
  expect(await refusal(await changed('genesis', { genesis }))).toMatch(
    /^ledger\/other-chain: this folder belongs to chain [0-9a-f]{64}/m,
  );
  const { data } = await settingsOf(ours);
  const crossed = join(folderOf(ours), 'crossed');
  await cp(join(folderOf(ours), data), crossed, { recursive: true });
  const log = join(crossed, (await logOf(ours)).split('/').at(-1)!);
  await rm(log, { recursive: true });
  await cp(await logOf(others), log, { recursive: true });
  expect(await refusal(await changed('log', { data: crossed }))).toMatch(/^ledger\/other-chain: /m);
  const report = await checkFolder(crossed, { repair: true, sha256: nodeSha256 });
  expect(report.findings).toMatchObject([{ code: 'fsck/other-chain', isRepaired: false }]);
}, 60_000);
