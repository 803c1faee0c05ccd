import { loadKernels } from '#lib/webgpu/cpu/browser.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { helperWith } from '#lib/webgpu/cpu/helper-worker.ts';
import { bitsOf } from '../cpu-bits.ts';

/** What the page asks: the bits of stages with so many threads, one list after the other. */
self.onmessage = ({ data }: MessageEvent<readonly number[]>): void => {
  Promise.all(data.map(bitsWith)).then(
    (bits) => self.postMessage({ bits }),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
};

async function bitsWith(threads: number): Promise<Record<string, string>> {
  if (threads === 1) return bitsOf(cpuStageFactory(await loadKernels()));
  const joined: number[] = [];
  const factory = cpuStageFactory(await loadKernels('threads'), {
    count: threads,
    start: helperWith(() => new Worker('/helper.js')),
    onThreads: (count) => joined.push(count),
  });
  const bits = await bitsOf(factory);
  if (joined.some((count) => count !== threads)) throw new Error(`joined: ${joined.join()}`);
  return bits;
}
