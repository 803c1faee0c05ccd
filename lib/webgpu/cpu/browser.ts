import { FaultError } from '#lib/kernel/errors.ts';

const PATH = '/kernels/kernels.wasm';

/**
 * The compiled CPU kernels, in a tab or its worker.
 * @throws FaultError `engine/unsupported` where the browser cannot load them (no WASM SIMD).
 */
export async function loadKernels(): Promise<WebAssembly.Module> {
  try {
    const response = await fetch(PATH);
    if (!response.ok) throw new Error(`${PATH}: status ${response.status}`);
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (cause) {
    throw new FaultError('engine/unsupported', 'this browser cannot run the CPU kernels', {
      cause,
    });
  }
}
