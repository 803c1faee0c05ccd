import { GPU_LIMITS } from './limits.ts';

/** The GPU for heavy work; null where there is none. */
export function requestAdapter(): Promise<GPUAdapter | null> {
  // Absent where the context is not secure, and in browsers without WebGPU.
  const gpu = (navigator as { readonly gpu?: GPU }).gpu;
  return gpu?.requestAdapter({ powerPreference: 'high-performance' }) ?? Promise.resolve(null);
}

/** For people, and for caches of measurements. */
export const nameOf = ({ info }: GPUAdapter): string =>
  `${info.vendor} ${info.architecture}`.trim() || 'unnamed';

/** Name of the GPU that this browser would lend us; null where there is none. */
export async function findGpu(): Promise<string | null> {
  // A driver that hangs must not keep the processor from its work.
  const tooLate = new Promise<null>((resolve) => setTimeout(resolve, GPU_LIMITS.findMs, null));
  const adapter = await Promise.race([requestAdapter().catch(() => null), tooLate]);
  return adapter && nameOf(adapter);
}
