import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { vi } from 'vitest';
import type { ClusterView } from '#server/orchestrator/answers.ts';

const ENTRY = 'tests/integration/server/child-server.ts';
const READY_MS_MAX = 40_000;

/** A real server process with its built-in volunteer, as an operator has it, and all that it said. */
export class ChildServer {
  readonly url: string;
  /** Its exit status; null where a signal ended it. */
  readonly exited: Promise<number | null>;
  readonly #process: Spawned;

  private constructor(url: string, process: Spawned) {
    this.url = url;
    this.#process = process;
    this.exited = process.exited;
  }

  /** Waits for its `ready` line only. @param options of `npm start`, beside port and data folder */
  static async start(options: readonly string[] = ['--no-ledger']): Promise<ChildServer> {
    const dataDir = await mkdtemp(join(tmpdir(), 'declai-child-'));
    const process = spawned(dataDir, options);
    const ready = (): string => {
      const url = /^ready (\S+)$/m.exec(process.said.stdout)?.[1];
      if (url === undefined) throw new Error(`not ready: ${JSON.stringify(process.said)}`);
      return url;
    };
    try {
      const url = await vi.waitFor(ready, { timeout: READY_MS_MAX, interval: 20 });
      return new ChildServer(url, process);
    } catch (error) {
      process.child.kill('SIGKILL');
      throw error;
    }
  }

  get stdout(): string {
    return this.#process.said.stdout;
  }

  get stderr(): string {
    return this.#process.said.stderr;
  }

  get alive(): boolean {
    const { exitCode, signalCode } = this.#process.child;
    return exitCode === null && signalCode === null;
  }

  /** Its log: an object a line. */
  entries(): Record<string, unknown>[] {
    return this.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async status(): Promise<ClusterView> {
    return (await (await fetch(`${this.url}/api/status`)).json()) as ClusterView;
  }

  /** Id of its built-in volunteer, once that is ready. */
  readyNode(): Promise<string> {
    const find = async (): Promise<string> => {
      const node = (await this.status()).nodes.find(({ state }) => state === 'ready');
      if (!node) throw new Error(`no node is ready: ${this.stdout}${this.stderr}`);
      return node.id;
    };
    return vi.waitFor(find, { timeout: READY_MS_MAX, interval: 20 });
  }

  /** Open files and sockets of the process, and its resident memory in MiB. */
  holds(): { readonly handles: number; readonly residentMib: number } {
    const pid = this.#process.child.pid ?? 0;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const residentMib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
    return { handles: readdirSync(`/proc/${pid}/fd`).length, residentMib };
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#process.child.kill(signal);
  }

  async end(): Promise<void> {
    if (this.alive) this.kill('SIGTERM');
    await this.exited;
    await rm(this.#process.dataDir, { recursive: true, force: true });
  }
}

interface Spawned {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly dataDir: string;
  readonly said: { stdout: string; stderr: string };
  readonly exited: Promise<number | null>;
}

function spawned(dataDir: string, options: readonly string[]): Spawned {
  const args = ['--import', 'tsx', ENTRY, '--port', '0', ...options, '--data', dataDir];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (part: Buffer) => (said.stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => (said.stderr += part.toString()));
  // Not `exit`: what it said last may still be on its way then.
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, dataDir, said, exited };
}
