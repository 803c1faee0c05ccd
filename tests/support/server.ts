import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClusterView, NodeView } from '#server/orchestrator/answers.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The product, started as a person starts it, on a free port with a data folder of its own. */
export class TestServer {
  readonly url: string;
  readonly dataDir: string;
  readonly #child: ChildProcess;
  readonly #output: string[];

  private constructor(made: {
    url: string;
    dataDir: string;
    child: ChildProcess;
    output: string[];
  }) {
    this.url = made.url;
    this.dataDir = made.dataDir;
    this.#child = made.child;
    this.#output = made.output;
  }

  static async start(
    args: readonly string[] = [],
    dataDir?: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<TestServer> {
    const data = dataDir ?? (await mkdtemp(join(tmpdir(), 'declai-')));
    const child = spawn(
      process.execPath,
      ['scripts/start.mjs', '--port', '0', '--no-ledger', '--data', data, ...args],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } },
    );
    const output: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`the server was not ready within 60 s:\n${output.join('')}`));
      }, 60_000);
      const read = (chunk: Buffer): void => {
        output.push(chunk.toString());
        if (output.length > 2000) output.splice(0, 1000);
        const ready = /^ready (https?:\/\/\S+)/m.exec(output.join(''));
        if (!ready?.[1]) return;
        clearTimeout(timer);
        resolve(ready[1]);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', (status) => {
        clearTimeout(timer);
        reject(new Error(`the server ended with ${String(status)}:\n${output.join('')}`));
      });
    });
    return new TestServer({ url, dataDir: data, child, output });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Process id of the built-in volunteer, a child of the server. */
  volunteerPid(): number {
    const children = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8');
    const pid = children
      .trim()
      .split(' ')
      .find((child) =>
        readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('volunteer/main.ts'),
      );
    if (pid === undefined) throw new Error('no built-in volunteer runs');
    return Number(pid);
  }

  log(): string {
    return this.#output.join('');
  }

  async status(): Promise<ClusterView & { nodes: NodeView[] }> {
    const response = await fetch(`${this.url}/api/status`);
    return (await response.json()) as ClusterView & { nodes: NodeView[] };
  }

  /** Waits until `check` holds of the status; fails with the last one seen. */
  async until(
    what: string,
    check: (status: ClusterView) => boolean,
    timeoutMs = 60_000,
  ): Promise<ClusterView> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const status = await this.status();
      if (check(status)) return status;
      if (performance.now() > deadline) {
        throw new Error(
          `${what}: not within ${timeoutMs} ms\n${JSON.stringify(status, null, 1)}\n${this.log().slice(-4000)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** SIGTERM; resolves with the milliseconds until the process was gone. */
  async stop(): Promise<number> {
    const startedAt = performance.now();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), 12_000);
      await gone;
      clearTimeout(timer);
    }
    await rm(this.dataDir, { recursive: true, force: true });
    return performance.now() - startedAt;
  }
}

/** Nodes whose shard may serve: the states an answer can start from. */
export const serving = (status: ClusterView): NodeView[] =>
  status.nodes.filter((node) => ['ready', 'serving', 'spare'].includes(node.state));
