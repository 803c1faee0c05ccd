import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const RESTART_MS = [500, 2_000, 10_000, 60_000] as const;
/** Who lived so long did not die of what it began with. */
const HEALTHY_MS = 60_000;
const STOP_MS_MAX = 4_000;

export interface Supervised {
  stop(): Promise<void>;
}

export interface SupervisedOptions {
  /** What its lines in the log begin with. */
  readonly name: string;
  /** Of Node: how an entry is loaded, the entry, and what it is told. */
  readonly args: readonly string[];
  readonly log: (line: string) => void;
}

/**
 * A part of this server in a process of its own, started again when it dies. It ends with us: its IPC
 * channel closes when this process goes, however it goes.
 */
export function startSupervised({ name, args, log }: SupervisedOptions): Supervised {
  let child: ChildProcess | null = null;
  let timer: NodeJS.Timeout | null = null;
  let deaths = 0;
  let stopped = false;

  const launch = (): void => {
    child = spawn(process.execPath, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const startedAt = performance.now();
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => log(`${name}: ${chunk.toString().trimEnd()}`));
    }
    child.once('exit', (status, signal) => {
      child = null;
      if (stopped) return;
      if (performance.now() - startedAt > HEALTHY_MS) deaths = 0;
      const wait = RESTART_MS[Math.min(deaths, RESTART_MS.length - 1)] ?? HEALTHY_MS;
      deaths += 1;
      log(`${name}: ended with ${signal ?? status}; again in ${wait} ms`);
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
      const hard = setTimeout(() => running.kill('SIGKILL'), STOP_MS_MAX);
      await gone;
      clearTimeout(hard);
    },
  };
}
