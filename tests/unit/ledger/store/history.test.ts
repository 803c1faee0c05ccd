import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { utf8 } from '#lib/kernel/bytes.ts';
import { leafHash, verifyInclusion } from '#lib/ledger/crypto/merkle.ts';
import { EMPTY_RANGE, appendLeaf, rangeRoot } from '#lib/ledger/crypto/mountain-range.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import type { Header } from '#lib/ledger/pbft/messages/header.ts';
import { openDatabase, type Database } from '#lib/ledger/store/database.ts';
import { History } from '#lib/ledger/store/history.ts';

let folder = '';
let database: Database;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'declai-history-'));
  database = await openDatabase(join(folder, 'db'));
});
afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

const hashOf = (sequence: number): Uint8Array => nodeSha256(utf8(`header ${sequence}`));
const headerAt = (sequence: number): Header =>
  ({ sequence, prevHeaderHash: hashOf(sequence - 1) }) as never;
const rangeAt = (size: number) =>
  Array.from({ length: size }, (_, i) => leafHash(hashOf(i), nodeSha256)).reduce(
    (range, leaf) => appendLeaf(range, leaf, nodeSha256).range,
    EMPTY_RANGE,
  );

async function isProven(history: History, sequence: number, of: number): Promise<boolean> {
  const path = await history.path(sequence, of);
  if (path === null) return false;
  const root = rangeRoot(rangeAt(of), nodeSha256);
  const leaf = leafHash(hashOf(sequence), nodeSha256);
  return verifyInclusion({ leaf, index: sequence, size: of, path, root }, nodeSha256);
}

test('[B11] every header under every later one, as RFC 9162 has it', async () => {
  const history = new History(database, nodeSha256, null);
  for (let at = 1; at <= 21; at += 1) await database.batch(history.extend([headerAt(at)], null));
  for (let of = 1; of <= 21; of += 1) {
    for (let at = 0; at < of; at += 1) expect(await isProven(history, at, of)).toBe(true);
  }
  expect(await history.path(3, 3)).toBeNull();
  expect(await history.path(3, 22)).toBeNull();
});

test('[B11] after a transfer what comes is proven, and what was skipped is not here', async () => {
  const history = new History(database, nodeSha256, null);
  for (let at = 1; at <= 4; at += 1) await database.batch(history.extend([headerAt(at)], null));
  expect(history.extend([headerAt(9)], null)).toEqual([]);
  const header = { sequence: 13 } as Header;
  // In one group with the block before it, and with the first one after it.
  const state = { header, peaks: rangeAt(13).peaks };
  await database.batch(history.extend([headerAt(5), headerAt(14)], state));
  for (let at = 15; at <= 20; at += 1) await database.batch(history.extend([headerAt(at)], null));
  for (let at = 13; at < 20; at += 1) expect(await isProven(history, at, 20)).toBe(true);
  expect(await history.path(9, 20)).toBeNull();
  // A restart goes on from its state.
  const again = new History(database, nodeSha256, {
    header: { sequence: 16 } as Header,
    peaks: rangeAt(16).peaks,
  });
  for (let at = 17; at <= 20; at += 1) await database.batch(again.extend([headerAt(at)], null));
  expect(await isProven(again, 18, 20)).toBe(true);
});
