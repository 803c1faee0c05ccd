import type { NodeProfile } from '#lib/shard/wire/node-messages.ts';

/** What a node of a test says that it measured. */
export const PROFILE: NodeProfile = {
  kind: 'node',
  device: 'test',
  engine: 'cpu-wasm',
  threads: 1,
  layerMs: [1, 2, 8],
  headMs: [1, 2, 8],
  memoryLentBytes: 1 << 30,
  storageBytes: 1 << 30,
  measuredFor: 'a'.repeat(64),
  cachedRanges: [],
};
