import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SmallServer } from '#tests/support/small-server.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const EXIT_MS_MAX = 2_000;

/** The command as the server starts it: stdout read, an IPC channel to its parent. */
function launch(args: readonly string[]): { child: ChildProcess; lines: string[] } {
  const child = spawn(process.execPath, ['--import', 'tsx', 'server/volunteer/main.ts', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n')));
  }
  return { child, lines };
}

async function until(lines: readonly string[], start: string): Promise<void> {
  const deadline = performance.now() + 100_000;
  while (!lines.some((line) => line.startsWith(start))) {
    if (performance.now() > deadline) throw new Error(`no line "${start}" in ${lines.join(' | ')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Exit status and milliseconds until the process was gone after `act`. */
async function endedBy(child: ChildProcess, act: () => void): Promise<[number | null, number]> {
  const startedAt = performance.now();
  const gone = new Promise<number | null>((resolve) => child.once('exit', resolve));
  act();
  return [await gone, performance.now() - startedAt];
}

describe('the headless volunteer', { timeout: 120_000 }, () => {
  let server: SmallServer;
  let data = '';
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'declai-headless-'));
    server = await SmallServer.start(1);
  });
  afterAll(async () => {
    await server.end();
    await rm(data, { recursive: true, force: true });
  });

  const lost = () => server.heard.filter((event) => event.type === 'message');

  it('[V2] says each state in a line, leaves on SIGTERM and is gone within 2 s', async () => {
    const { child, lines } = launch(['--join', `${server.url}/volunteer`, '--data', data]);
    await until(lines, 'ready smollm2-135m-instruct layers 0–29');
    const [status, ms] = await endedBy(child, () => child.kill('SIGTERM'));
    expect(status).toBe(0);
    expect(ms).toBeLessThan(EXIT_MS_MAX);
    expect(lines[0]).toBe('joining');
    await expect.poll(() => lost().at(-1)?.message).toEqual({ type: 'leave', how: 'stop' });
  });

  it('[V2] ends with its parent', async () => {
    const { child, lines } = launch(['--join', server.url, '--data', data]);
    await until(lines, 'ready');
    const [status, ms] = await endedBy(child, () => child.disconnect());
    expect(status).toBe(0);
    expect(ms).toBeLessThan(EXIT_MS_MAX);
  });
});
