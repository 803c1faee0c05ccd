import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { REPLICA_V8_FLAGS } from '#server/replica/v8-flags.ts';

const READY_MS_MAX = 30_000;

/** A real replica process that can be killed and started again on its folder. */
export class ChildReplica {
  readonly #config: string;
  #process: ChildProcessByStdio<null, Readable, Readable> | null = null;
  #said = '';

  constructor(config: string) {
    this.#config = config;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get said(): string {
    return this.#said;
  }

  /** Resolves at its `ready` line. */
  async start(): Promise<void> {
    const entry = ['scripts/bundled.mjs', 'server/replica/main.ts'];
    const args = [...REPLICA_V8_FLAGS, ...entry, '--config', this.#config];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    const ready = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not ready: ${this.#said}`)), READY_MS_MAX);
      const take = (part: Buffer): void => {
        this.#said += part.toString();
        if (!/^ready /m.test(this.#said)) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.once('exit', () => {
        clearTimeout(timer);
        // Killed before it was ready: whoever killed it knows.
        resolve();
      });
    });
    this.#said = '';
    await ready;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }
}
