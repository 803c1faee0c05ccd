import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installPeers, PEERS_URL } from '../install-peers.ts';

const IN_PROCESS = fileURLToPath(new URL('./in-process.mjs', import.meta.url));
const MODULE = new URL('node_modules/node-llama-cpp/dist/index.js', PEERS_URL).href;
const MINUTES_MAX = 4;

export interface LlamaJob {
  readonly gguf: string;
  readonly threads: number;
  /** Prompts to read, in tokens. */
  readonly prefills: readonly number[];
  /** Positions before which new tokens are made. */
  readonly pasts: readonly number[];
  readonly newTokens: number;
  readonly rounds: number;
}

export interface LlamaTimes {
  readonly loadMs: number;
  /** Of each prompt of the job, each round. */
  readonly prefillMs: readonly (readonly number[])[];
  /** Of each past of the job, each token. */
  readonly stepMs: readonly (readonly number[])[];
  /** What of the processor it uses. */
  readonly system: string;
}

/** Native llama.cpp (node-llama-cpp's prebuilt package), without a GPU, in a process of its own. */
export async function runLlama(job: LlamaJob): Promise<LlamaTimes> {
  installPeers('node-llama-cpp', '@node-llama-cpp/linux-x64');
  const args = [IN_PROCESS, JSON.stringify({ ...job, module: MODULE })];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    timeout: MINUTES_MAX * 60_000,
  });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as LlamaTimes;
}
