import { FaultError } from '#lib/kernel/errors.ts';
import { CPU_LIMITS } from './limits.ts';

/** What `kernels/index.ts` exports: addresses and counts are unsigned 32-bit numbers. */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  heapBase(): number;
  useRange(address: number): void;
  ropeInit(theta: number, factor: number, low: number, high: number, original: number): void;
  pack(type: number, from: number, to: number, rows: number, cols: number): void;
  layers(segments: number, count: number, rows: number, ids: number): void;
  head(rowList: number, count: number): void;
  biasLogits(logits: number, vocab: number, ids: number, amounts: number, count: number): void;
  punishRepeats(logits: number, vocab: number, ids: number, count: number, by: number): void;
  // prettier-ignore
  punishPresent(
    logits: number, vocab: number, ids: number, times: number, count: number,
    presence: number, frequency: number,
  ): void;
  forbidOthers(logits: number, vocab: number, mask: number): void;
  // prettier-ignore
  sample(
    logits: number, vocab: number, scratch: number, temperature: number, topK: number,
    topP: number, minP: number, typicalP: number, uniform: number,
  ): number;
  useThreads(control: number): void;
  closeThreads(): number;
  endThreads(): void;
}

// prettier-ignore
const FUNCTIONS = [
  'heapBase', 'useRange', 'ropeInit', 'pack', 'layers', 'head', 'useThreads', 'closeThreads', 'endThreads',
  'biasLogits', 'punishRepeats', 'punishPresent', 'forbidOthers', 'sample',
] as const;

/** Whether a module is the build for several threads: it takes a shared memory. */
export const isForThreads = (module: WebAssembly.Module): boolean =>
  WebAssembly.Module.imports(module).some(({ kind }) => kind === 'memory');

/**
 * A fresh instance with a memory of its own.
 * @throws FaultError `engine/unsupported` where the module is not our kernels, or this device gives
 *   no shared memory.
 */
export async function instantiateKernels(module: WebAssembly.Module): Promise<Kernels> {
  const memory = isForThreads(module) ? sharedMemory() : null;
  const imports = memory ? { env: { memory } } : {};
  const { exports } = await WebAssembly.instantiate(module, imports);
  const complete =
    (memory !== null || exports['memory'] instanceof WebAssembly.Memory) &&
    FUNCTIONS.every((name) => typeof exports[name] === 'function');
  if (!complete) throw new FaultError('engine/unsupported', 'this module is not the CPU kernels');
  return { ...(exports as unknown as Kernels), ...(memory ? { memory } : {}) };
}

/** A shared memory never moves: address space for all it may become is taken at once. */
function sharedMemory(): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({
      initial: 1,
      maximum: CPU_LIMITS.sharedMemoryPagesMax,
      shared: true,
    });
  } catch (cause) {
    throw new FaultError('engine/unsupported', 'this device gives no shared memory', { cause });
  }
}
