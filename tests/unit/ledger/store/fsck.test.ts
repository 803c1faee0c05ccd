import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { bySequence, openDatabase } from '#lib/ledger/store/database.ts';
import { checkFolder, type FolderReport } from '#lib/ledger/store/fsck.ts';
import { logFolderName } from '#lib/ledger/store/store.ts';
import { lastStable, writeLife } from '#tests/support/ledger/life-on-disk.ts';
import { recordLife } from '#tests/support/ledger/recorded-life.ts';

const life = recordLife(10);
const logName = logFolderName(life.owner.key);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'declai-fsck-'));
  await writeLife(life, folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const check = (repair = false): Promise<FolderReport> =>
  checkFolder(folder, { repair, sha256: nodeSha256 });

async function segment(): Promise<string> {
  const names = await readdir(join(folder, logName));
  return join(folder, logName, names.find((name) => /^wal\.\d/.test(name)) ?? '');
}

test('[B9] a folder in order: what is in it, and no findings', async () => {
  expect(await check()).toMatchObject({
    chain: toHex(life.owner.chain),
    keys: [{ key: toHex(life.owner.key), signs: true }],
    states: [lastStable(life)?.state.header.sequence],
    findings: [],
  });
});

test('[B9] a torn end, a lost slot and an unfinished file are repaired, and nothing is lost', async () => {
  const { keys } = await check();
  const file = await open(await segment(), 'r+');
  await file.write(new Uint8Array(40).fill(7), 0, 40, 3_000_000);
  await file.close();
  await writeFile(join(folder, logName, 'wal.00000002.new'), 'half');
  expect((await check()).findings).toMatchObject([
    { code: 'fsck/unfinished-file', kind: 'repairable', isRepaired: false },
    { code: 'fsck/torn-end', kind: 'repairable', isRepaired: false },
  ]);
  expect((await check(true)).findings).toMatchObject([{ isRepaired: true }, { isRepaired: true }]);
  await rm(join(folder, logName, 'wal.head.1'));
  expect((await check(true)).findings).toMatchObject([
    { code: 'fsck/head-slot', isRepaired: true },
  ]);
  expect(await check()).toMatchObject({ keys, findings: [] });
});

test('[B9] what no repair brings back is said, with what to do', async () => {
  await truncate(await segment(), 2_000);
  const report = await check(true);
  expect(report.keys).toMatchObject([{ signs: false }]);
  expect(report.findings).toMatchObject([
    { code: 'fsck/amnesia', kind: 'lost', isRepaired: false },
  ]);
  expect(report.findings[0]?.cure).toMatch(/signs never again.*rekey/);
});

test('[B9] a damaged block goes, for others have it; a damaged part of the state is lost', async () => {
  const sequence = lastStable(life)!.state.header.sequence;
  const database = await openDatabase(join(folder, 'db'));
  await database.put(bySequence('block', 3), new Uint8Array([9]));
  for await (const key of database.keys({ gte: new Uint8Array([4]), lt: new Uint8Array([5]) })) {
    await database.put(key, new Uint8Array([9]));
  }
  await database.close();
  const { findings } = await check(true);
  expect(findings).toContainEqual(
    expect.objectContaining({
      code: 'fsck/block',
      where: 'block 3',
      kind: 'repairable',
      isRepaired: true,
    }),
  );
  expect(findings).toContainEqual(
    expect.objectContaining({ code: 'fsck/state', where: `state at ${sequence}`, kind: 'lost' }),
  );
});

test('[B9] a disk that cannot be used is no damage: nothing is repaired on it', async () => {
  const database = join(folder, 'db');
  const names = await readdir(database);
  const manifest = names.find((name) => name.startsWith('MANIFEST')) ?? '';
  // As a full disk, or one that fails: the same kind of error for what cannot be read or written now.
  await rename(join(database, manifest), join(folder, manifest));
  await mkdir(join(database, manifest));
  for (const repair of [false, true]) {
    await expect(check(repair)).rejects.toMatchObject({ code: 'ledger/storage-failed' });
  }
  await rmdir(join(database, manifest));
  await rename(join(folder, manifest), join(database, manifest));
  expect((await check()).findings).toEqual([]);
});
