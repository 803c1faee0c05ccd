import type { EngineChoice } from '#lib/webgpu/capability/choose-engine.ts';

/** What the machine of a node is told in tests: a model, what was measured, and its layers. */
export const model = { id: 'm', hash: 'a'.repeat(64) };
export const measured: EngineChoice = {
  ...{ layerMs: [1, 2, 3], headMs: [1, 2, 3] },
  ...{ engine: 'cpu-wasm', reason: 'device.no_webgpu', memoryBytes: 2 ** 30 },
};
export const range = { first: 0, last: 9 };
export const takeOver = { first: 10, last: 19 };
