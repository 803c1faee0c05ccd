import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { loadNetwork } from '#server/ledger/connect.ts';
import { loadKey } from '#server/ledger/keys.ts';
import { loadConfig } from '#server/replica/config.ts';
import { localLedger } from '#server/replica/local.ts';
import { REPLICA_V8_FLAGS } from '#server/replica/v8-flags.ts';
import { health } from '#tests/support/ledger/local-network.ts';

/** As `npm start` runs it; until `work` is done. */
async function running(folder: string, work: () => Promise<void>): Promise<void> {
  const args = [...REPLICA_V8_FLAGS, 'scripts/bundled.mjs', 'server/replica/local-main.ts', folder];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (part: Buffer) => (said += part.toString()));
  }
  const exit = once(child, 'exit');
  await vi.waitFor(() => expect(said).toBe('ready\n'), { timeout: 20_000 });
  await work();
  // As when the server goes: nobody is left behind.
  child.disconnect();
  await exit;
  expect(child.exitCode).toBe(0);
}

test('[X11] four replicas of one machine, made once, and the same ledger after a restart', async () => {
  const data = await mkdtemp(join(tmpdir(), 'declai-local-'));
  const folder = join(data, 'ledger');
  const chains = new Set<unknown>();
  const look = async (): Promise<void> => {
    for (const file of await localLedger(folder)) {
      const { listen } = await loadConfig(file);
      await vi.waitFor(
        async () => {
          const now = await health(listen);
          expect(now).toMatchObject({ ok: true, votes: true, peersHeard: 3 });
          chains.add(now?.['chain']);
        },
        { timeout: 10_000 },
      );
    }
  };
  await running(folder, look);
  const gateway = join(folder, 'gateway.json');
  expect((await stat(gateway)).mode & 0o777).toBe(0o600);
  const { genesis } = await loadNetwork(join(folder, 'genesis.cbor'));
  expect((await loadKey(gateway)).publicKey).toEqual(genesis.gateways[0]?.publicKey);
  const keys = await readFile(join(folder, 'replica-2', 'keys.json'), 'utf8');
  await running(folder, look);
  expect(chains.size).toBe(1);
  expect(await readFile(join(folder, 'replica-2', 'keys.json'), 'utf8')).toBe(keys);
  await rm(data, { recursive: true, force: true });
}, 60_000);

test('[X11] the server starts it beside itself, and ends it', async () => {
  const data = await mkdtemp(join(tmpdir(), 'declai-beside-'));
  const entry = 'tests/integration/server/child-server.ts';
  const options = ['--port', '0', '--no-seed-volunteer', '--data', data];
  const child = spawn(process.execPath, ['--import', 'tsx', entry, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (part: Buffer) => (said += part.toString()));
  const exit = once(child, 'exit');
  await vi.waitFor(() => expect(said).toMatch(/"event":"ledger","line":"ledger: ready"/), {
    timeout: 30_000,
  });
  const [file = ''] = await localLedger(join(data, 'ledger'));
  const { listen } = await loadConfig(file);
  expect(await health(listen)).toMatchObject({ votes: true });
  child.kill('SIGTERM');
  await exit;
  expect(child.exitCode).toBe(0);
  expect(await health(listen)).toBeNull();
  await rm(data, { recursive: true, force: true });
}, 60_000);
