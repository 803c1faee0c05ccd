import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { ClusterView, NodeView } from '#server/orchestrator/answers.ts';

/** A real server process with its built-in volunteer, the honest node, to be attacked. */
export class AttackedServer {
  readonly url: string;
  readonly port: number;
  readonly honest: string;
  readonly #child: ChildProcess;
  readonly #dataDir: string;
  readonly #said: { stdout: string; stderr: string };

  private constructor(made: {
    url: string;
    honest: string;
    child: ChildProcess;
    dataDir: string;
    said: { stdout: string; stderr: string };
  }) {
    this.url = made.url;
    this.port = Number(new URL(made.url).port);
    this.honest = made.honest;
    this.#child = made.child;
    this.#dataDir = made.dataDir;
    this.#said = made.said;
  }

  static async start(): Promise<AttackedServer> {
    const dataDir = await mkdtemp(join(tmpdir(), 'declai-attacked-'));
    const child = spawn(
      process.execPath,
      [
        ...['--import', 'tsx', 'tests/integration/server/child-server.ts'],
        ...['--port', '0', '--data', dataDir],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (part: Buffer) => (said.stdout += part.toString()));
    child.stderr.on('data', (part: Buffer) => (said.stderr += part.toString()));
    const ready = { timeout: 40_000, interval: 20 };
    const url = await vi.waitFor(
      () => /^ready (\S+)$/m.exec(said.stdout)?.[1] ?? fail(said),
      ready,
    );
    const honest = await vi.waitFor(async () => {
      const node = (await statusOf(url)).nodes.find(({ state }) => state === 'ready');
      return node?.id ?? fail(said);
    }, ready);
    return new AttackedServer({ url, honest, child, dataDir, said });
  }

  status(): Promise<ClusterView> {
    return statusOf(this.url);
  }

  async node(id: string): Promise<NodeView | null> {
    return (await this.status()).nodes.find((node) => node.id === id) ?? null;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Log lines of an event. */
  events(event: string): Record<string, unknown>[] {
    return this.#said.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((entry) => entry['event'] === event);
  }

  /** Open files and sockets of the process, and its resident memory in MiB. */
  holds(): { readonly handles: number; readonly residentMib: number } {
    const pid = this.#child.pid ?? 0;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const residentMib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
    return { handles: readdirSync(`/proc/${pid}/fd`).length, residentMib };
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.alive) {
      this.#child.kill('SIGTERM');
      await gone;
    }
    await rm(this.#dataDir, { recursive: true, force: true });
  }
}

async function statusOf(url: string): Promise<ClusterView> {
  return (await (await fetch(`${url}/api/status`)).json()) as ClusterView;
}

function fail(said: { stdout: string; stderr: string }): never {
  throw new Error(`not ready: ${said.stdout}${said.stderr}`);
}
