import { readFile } from 'node:fs/promises';
import { FaultError } from '#lib/kernel/errors.ts';

const PATH = new URL('../../../public/kernels/kernels.wasm', import.meta.url);

/**
 * The compiled CPU kernels, in Node.
 * @throws FaultError `engine/unsupported` where they were not built.
 */
export async function loadKernels(): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await readFile(PATH));
  } catch (cause) {
    throw new FaultError('engine/unsupported', 'no CPU kernels: node scripts/build-kernels.mjs', {
      cause,
    });
  }
}
