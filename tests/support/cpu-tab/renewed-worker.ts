import { loadPiece } from '#lib/webgpu/capability/measure.ts';
import { loadKernels } from '#lib/webgpu/cpu/browser.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { helperWith } from '#lib/webgpu/cpu/helper-worker.ts';
import { SELF_CHECK_MODELS } from '#lib/webgpu/self-check-models.ts';

/** A worker whose stage of three threads is made and disposed of, as one that measures. */
self.onmessage = (): void => {
  measured().then(
    (joined) => self.postMessage({ joined }),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
};

async function measured(): Promise<number> {
  let joined = 0;
  const factory = cpuStageFactory(await loadKernels('threads'), {
    count: 3,
    start: helperWith(() => new Worker('/helper.js')),
    onThreads: (count) => (joined = count),
  });
  const { shape, types } = SELF_CHECK_MODELS.llama;
  const typeOf = (name: keyof typeof types) => types[name] ?? 'F32';
  const stage = await loadPiece(factory, { shape, typeOf, numerics: 'int16' });
  stage.dispose();
  return joined;
}
