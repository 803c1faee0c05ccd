import { spawn } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '#lib/kernel/digest.ts';
import { ggufBytes, tinyFields, tinyTensors } from '#tests/unit/package/gguf-builder.ts';

const DIE_AT = './tests/integration/storage/die-at.mjs';

/** A step of the program: the `nth` operation of that kind at a path that matches. */
export interface Step {
  readonly operation: 'mkdir' | 'rm' | 'open' | 'read' | 'write' | 'sync' | 'rename' | 'writeFile';
  readonly path: string;
  readonly nth: number;
}

export interface Ended {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string;
}

export interface ProcessOptions {
  /** Only steps under this folder are seen. */
  readonly under: string;
  readonly dieAt?: Step;
  readonly logTo?: string;
  /** No file may become longer: the system refuses the write that would, as on a full disk. */
  readonly fileBytesMax?: number;
}

/** `npm run models -- ARGS` as a process of its own, watched or killed. */
export function runModels(args: readonly string[], options: ProcessOptions): Promise<Ended> {
  const { under, dieAt, logTo, fileBytesMax } = options;
  const argv = ['--import', DIE_AT, '--import', 'tsx', 'server/models/cli.ts', ...args, '--json'];
  const blocks = fileBytesMax === undefined ? 'unlimited' : String(fileBytesMax / 512);
  const limited = ['-c', `ulimit -f ${blocks}; exec "$@"`, 'sh', process.execPath, ...argv];
  const child = spawn('/bin/sh', limited, {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      ...process.env,
      DIE_ROOT: under,
      ...(dieAt && { DIE_AT: JSON.stringify(dieAt) }),
      ...(logTo !== undefined && { DIE_LOG: logTo }),
    },
  });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  return new Promise((resolve) => {
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, stdout }));
  });
}

/** A llama of two layers of two chunks each, with bytes that differ everywhere; finite numbers. */
export async function writeTwoLayerGguf(path: string): Promise<void> {
  const mlp = 11_000;
  const fields = tinyFields().map((field) => {
    if (field[0] === 'llama.block_count') return [field[0], field[1], 2] as const;
    if (field[0] === 'llama.feed_forward_length') return [field[0], field[1], mlp] as const;
    return field;
  });
  const names = tinyTensors();
  const second = names.filter(({ name }) => name.startsWith('blk.0'));
  const wanted = [
    ...names,
    ...second.map((tensor) => ({ ...tensor, name: tensor.name.replace('blk.0', 'blk.1') })),
  ];
  let offset = 0;
  const tensors = wanted.map(({ name, dims }) => {
    const wide = name.includes('ffn_') && !name.includes('norm');
    const placed = { name, dims: wide ? dims.map((dim) => (dim === 64 ? mlp : dim)) : dims };
    const bytes = placed.dims.reduce<number>((product, dim) => product * Number(dim), 4);
    offset += bytes;
    return { ...placed, type: 0, offset: offset - bytes };
  });
  const file = ggufBytes({ fields, tensors, dataBytes: offset });
  const words = new Uint32Array(file.buffer, file.byteLength - offset, offset / 4);
  for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(i, 2_654_435_761) & 0xbfff_ffff;
  await writeFile(path, file);
}

/** Every file under a folder with its hash. */
export async function snapshot(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const names = await readdir(folder, { recursive: true }).catch((): string[] => []);
  for (const name of names.sort()) {
    const path = join(folder, name);
    if ((await stat(path)).isFile()) files[name] = sha256Hex(await readFile(path));
  }
  return files;
}
