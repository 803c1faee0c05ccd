import { httpChunkFetcher } from '#lib/shard/package/http-fetcher.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { storedWeights } from '#lib/shard/package/stored-weights.ts';
import type { WeightSource } from '#lib/webgpu/model.ts';

/** Inside the worker that `in-tab.ts` starts: measures the package it is told of, and answers. */
export function answerInTab<T>(
  measure: (manifest: Manifest, weights: WeightSource) => Promise<T>,
): void {
  self.onmessage = ({ data: manifest }: MessageEvent<Manifest>): void => {
    const fetchChunk = httpChunkFetcher(self.location.origin);
    const weights = storedWeights(manifest, { store: memoryChunkStore(), fetchChunk });
    measure(manifest, weights).then(
      (value) => {
        self.postMessage({ value });
      },
      (error: unknown) => {
        self.postMessage({ error: String(error) });
      },
    );
  };
}
