import { httpChunkFetcher } from '#lib/shard/package/http-fetcher.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import { memoryChunkStore } from '#lib/shard/package/store/memory-store.ts';
import { storedWeights } from '#lib/shard/package/stored-weights.ts';
import { loadKernels } from '#lib/webgpu/cpu/browser.ts';
import { NUMERICS } from '#lib/webgpu/model.ts';
import { measureBatch } from './measure.ts';

/** What `tab.ts` sends: the package's manifest. The answer is a `TabReply`. */
self.onmessage = (event: MessageEvent<Manifest>): void => {
  measureAll(event.data).then(
    (rates) => {
      self.postMessage({ rates });
    },
    (error: unknown) => {
      self.postMessage({ error: String(error) });
    },
  );
};

async function measureAll(manifest: Manifest) {
  const reader = { store: memoryChunkStore(), fetchChunk: httpChunkFetcher(self.location.origin) };
  const weights = storedWeights(manifest, reader);
  const module = await loadKernels();
  const rates = [];
  for (const numerics of NUMERICS) {
    const measured = await measureBatch({ module, shape: manifest.shape, weights, numerics });
    rates.push({ numerics, rates: measured });
  }
  return rates;
}
