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
  const adapter = await requestAdapter().catch(() => null);
  return adapter && nameOf(adapter);
}
