import { existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FaultError } from '#lib/kernel/errors.ts';

export const PEERS_URL = new URL('./peers/', import.meta.url);
export const PEERS = fileURLToPath(PEERS_URL);

/**
 * From the registry alone: install scripts stay off, and of llama.cpp's many prebuilt packages only
 * the one for Linux on x64 processors comes (95 MB with all that it needs; all of them are 725).
 */
export function installPeers(...packages: readonly string[]): void {
  if (packages.every((name) => existsSync(`${PEERS}node_modules/${name}`))) return;
  const options = ['--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'];
  const done = spawnSync('npm', ['ci', ...options, '--loglevel=error'], {
    cwd: PEERS,
    stdio: ['ignore', 2, 2],
  });
  if (done.status !== 0)
    throw new FaultError('server/config', 'could not install the peers of the bench');
}
