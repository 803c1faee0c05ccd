import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runLedger } from '#server/ledger/run.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'declai-ledger-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('[Y5] fsck of a folder that is no replica’s says so, and makes nothing there', async () => {
  for (const name of [folder, join(folder, 'missing')]) {
    expect(await runLedger(['fsck', name])).toMatchObject({
      ...{ exitCode: 1, json: { error: { code: 'server/config' } } },
    });
  }
  expect(await readdir(folder)).toEqual([]);
});

test('[Y2] an error says what to do', async () => {
  const wrong = await runLedger(['frob']);
  expect(wrong).toMatchObject({ exitCode: 2 });
  expect(wrong.lines.join('\n')).toMatch('npm run ledger -- --help');
  const missing = await runLedger(['members', '--genesis', join(folder, 'genesis.cbor')]);
  expect(missing).toMatchObject({ exitCode: 1 });
  expect(missing.lines.join('\n')).toMatch(/npm start .* --genesis FILE/);
});
