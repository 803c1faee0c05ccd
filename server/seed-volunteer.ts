import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const ENTRY = join(ROOT, 'server/volunteer/main.ts');
const RESTART_MS = [500, 2_000, 10_000, 60_000] as const;

export interface SeedVolunteer {
  stop(): Promise<void>;
}

export interface SeedOptions {
  readonly url: string;
  readonly dataDir: string;
  readonly insecure: boolean;
  readonly log: (line: string) => void;
}

/**
 * The built-in volunteer: an ordinary node in a process of its own, started again when it dies.
 * It ends with us: its IPC channel closes when this process goes, however it goes.
 */
export function startSeedVolunteer(options: SeedOptions): SeedVolunteer {
  let child: ChildProcess | null = null;
  let timer: NodeJS.Timeout | null = null;
  let deaths = 0;
  let stopped = false;

  const launch = (): void => {
    const args = ['--join', options.url, '--data', join(options.dataDir, 'volunteer')];
    child = spawn(
      process.execPath,
      ['--import', 'tsx', ENTRY, ...args, ...(options.insecure ? ['--insecure'] : [])],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
    );
    const startedAt = performance.now();
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) =>
        options.log(`volunteer: ${chunk.toString().trimEnd()}`),
      );
    }
    child.once('exit', (status, signal) => {
      child = null;
      if (stopped) return;
      if (performance.now() - startedAt > 60_000) deaths = 0;
      const wait = RESTART_MS[Math.min(deaths, RESTART_MS.length - 1)] ?? 60_000;
      deaths += 1;
      options.log(`volunteer: ended with ${signal ?? status}; again in ${wait} ms`);
      timer = setTimeout(launch, wait);
    });
  };
  launch();

  return {
    async stop() {
      stopped = true;
      if (timer) clearTimeout(timer);
      const running = child;
      if (!running) return;
      const gone = new Promise<void>((resolve) => running.once('exit', () => resolve()));
      running.kill('SIGTERM');
      const hard = setTimeout(() => running.kill('SIGKILL'), 4_000);
      await gone;
      clearTimeout(hard);
    },
  };
}
