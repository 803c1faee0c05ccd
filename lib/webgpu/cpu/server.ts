import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { FaultError } from '#lib/kernel/errors.ts';
import type { HelperStart, HelperThread } from './threads.ts';

const PATHS = {
  one: new URL('../../../public/kernels/kernels.wasm', import.meta.url),
  threads: new URL('../../../public/kernels/kernels-threads.wasm', import.meta.url),
} as const;

/**
 * The compiled CPU kernels, in Node: the build for one thread or for several.
 * @throws FaultError `engine/unsupported` where they were not built.
 */
export async function loadKernels(build: keyof typeof PATHS = 'one'): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await readFile(PATHS[build]));
  } catch (cause) {
    throw new FaultError('engine/unsupported', 'no CPU kernels: node scripts/build-kernels.mjs', {
      cause,
    });
  }
}

/** A helper thread in Node. It ends with the thread that calls this, and keeps no process alive. */
export function startHelper(workerData: HelperStart): HelperThread {
  const worker = new Worker(new URL('./helper-node.mjs', import.meta.url), {
    workerData,
    execArgv: [], // plain JavaScript: no loader of its parent's
  });
  const ready = new Promise<void>((resolve) => {
    worker
      .once('message', resolve)
      .once('error', () => resolve())
      .once('exit', () => resolve());
  });
  worker.unref();
  return { ready, end: () => void worker.terminate() };
}
