import { FaultError } from '#lib/kernel/errors.ts';
import { helperWith } from './helper-worker.ts';

/**
 * The compiled CPU kernels, in a tab or its worker: the build for one thread or for several.
 * @throws FaultError `engine/unsupported` where the browser cannot load them (no WASM SIMD).
 */
export async function loadKernels(build: 'one' | 'threads' = 'one'): Promise<WebAssembly.Module> {
  const path = build === 'one' ? '/kernels/kernels.wasm' : '/kernels/kernels-threads.wasm';
  try {
    const response = await fetch(path);
    if (!response.ok) throw new Error(`${path}: status ${response.status}`);
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (cause) {
    throw new FaultError('engine/unsupported', 'this browser cannot run the CPU kernels', {
      cause,
    });
  }
}

/** A helper thread in a tab: a worker of the worker that calls this. It ends with its parent. */
export const startHelper = helperWith(
  () => new Worker(new URL('./helper-browser.ts', import.meta.url)),
);
