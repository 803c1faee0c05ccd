import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePortRuns } from '#server/replica/free-ports.ts';
import { blocksIn } from '#server/ledger/read-commands.ts';
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

test('[Y2] a file that is not what it should be is named, with why', async () => {
  const [hosts, genesis] = [
    [1, 2, 3, 4].map((i) => `127.0.0.1:${7_000 + 10 * i}`).join(','),
    join(folder, 'net', 'genesis.cbor'),
  ];
  await runLedger(['genesis', '--replicas', hosts, '--out', join(folder, 'net')]);
  const key = join(folder, 'net', 'operator-0.json');
  const text = join(folder, 'text');
  await writeFile(text, '> npm prints such lines\n{}');
  const long = join(folder, 'long');
  await writeFile(long, new Uint8Array(70_000));
  for (const [argv, code, says] of [
    [['submit', text, '--key', key], 'request/invalid', /text is neither .* nor the JSON/],
    [['approve', text, '--key', key], 'request/invalid', /text is neither .* nor the JSON/],
    [['approve', long, '--key', key], 'wire/too-large', /long is too long/],
    [['verify', '--from', folder], 'server/config', /EISDIR/],
    [['evidence', join(folder, 'none')], 'server/config', /ENOENT/],
    [['verify', '--from', 'http://127.0.0.1:1/x'], 'package/fetch-failed', /ECONNREFUSED|bad port/],
    [['balance', '0'.repeat(64), '--genesis', long], 'wire/too-large', /16384/],
  ] as const) {
    const { json, lines } = await runLedger(['--genesis', genesis, ...argv]);
    expect([argv, json]).toMatchObject([argv, { error: { code } }]);
    expect(lines.join('\n')).toMatch(says);
  }
});

test('[Y4] a key that there is shows its public half again, and nothing is written', async () => {
  const file = join(folder, 'key.json');
  const { json: made } = await runLedger(['keygen', '--out', file]);
  expect(await runLedger(['keygen', '--key', file])).toMatchObject({ exitCode: 0, json: made });
  expect(await readdir(folder)).toEqual(['key.json']);
  expect(await runLedger(['keygen'])).toMatchObject({ exitCode: 2 });
  expect(await runLedger(['keygen', '--key', file, '--out', file])).toMatchObject({ exitCode: 2 });
});

test('[Y2] where nobody answers, nothing is said of what replicas hold', async () => {
  const ports = await freePortRuns(4, 3);
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join(',');
  const net = join(folder, 'net');
  expect(await runLedger(['genesis', '--replicas', hosts, '--out', net])).toMatchObject({
    exitCode: 0,
  });
  const argv = ['evidence', '--genesis', join(net, 'genesis.cbor'), '--replicas', hosts];
  expect(await runLedger(argv)).toMatchObject({
    ...{ exitCode: 1, json: { error: { code: 'ledger/no-quorum' } } },
  });
});

test('[Y2] a block that does not come is not waited for longer than was said', async () => {
  const client = {
    // Those who had it are gone: a subscription waits for them to come back.
    async *subscribe(): AsyncGenerator<never, undefined> {
      await new Promise(() => undefined);
      return undefined;
    },
  };
  const blocks = blocksIn({ from: 3, last: 5 }, client, 50);
  await expect(blocks.next()).rejects.toMatchObject({ code: 'ledger/no-quorum' });
  expect(await blocksIn({ from: 3, last: 2 }, client, 50).next()).toMatchObject({ done: true });
});
