import { FaultError } from '#lib/kernel/errors.ts';

/** What `kernels/index.ts` exports: addresses and counts are unsigned 32-bit numbers. */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  heapBase(): number;
  useRange(address: number): void;
  ropeInit(theta: number, factor: number, low: number, high: number, original: number): void;
  pack(type: number, from: number, to: number, rows: number, cols: number): void;
  layers(segments: number, count: number, rows: number, ids: number): void;
  head(rowList: number, count: number): void;
}

const FUNCTIONS = ['heapBase', 'useRange', 'ropeInit', 'pack', 'layers', 'head'] as const;

/**
 * A fresh instance with a memory of its own.
 * @throws FaultError `engine/unsupported` where the module is not our kernels.
 */
export async function instantiateKernels(module: WebAssembly.Module): Promise<Kernels> {
  const { exports } = await WebAssembly.instantiate(module, {});
  const complete =
    exports['memory'] instanceof WebAssembly.Memory &&
    FUNCTIONS.every((name) => typeof exports[name] === 'function');
  if (!complete) throw new FaultError('engine/unsupported', 'this module is not the CPU kernels');
  return exports as unknown as Kernels;
}
