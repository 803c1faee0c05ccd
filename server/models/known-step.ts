import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { MIB } from '#lib/kernel/units.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import {
  hasEmbedding,
  hasHead,
  type LayerRange,
  type ModelShape,
  type WeightSource,
} from '#lib/webgpu/model.ts';
import type { Stage } from '#lib/webgpu/stage.ts';

/** Rows of the step: positions before and behind one another, few enough for a slow machine. */
const ROWS = 8;
/** Two sessions of a page each, of the widest heads. */
const KV_BYTES_MAX = 256 * MIB;

/**
 * A prompt of fixed ids through every layer of a model, twice: the logits must be numbers, and the
 * same bits both times. Nothing is compared with a stored answer: that would be another model's.
 * One layer is loaded at a time, so that a model larger than this machine's memory is checked too.
 * @throws FaultError `engine/wrong-answer` naming the layer, `engine/unsupported` for a shape that
 *   the CPU engine cannot hold, and what loading throws.
 */
export async function computeKnownStep(model: {
  readonly shape: ModelShape;
  readonly weights: WeightSource;
}): Promise<void> {
  const factory = cpuStageFactory(await loadKernels());
  const { layers, vocab } = model.shape;
  let input: Int32Array | Float32Array = Int32Array.from(
    { length: ROWS },
    // Far apart in the vocabulary, whatever its size.
    (_, row) => Math.floor(((row + 0.5) / ROWS) * vocab),
  );
  for (let layer = 0; layer < layers; layer += 1) {
    const range: LayerRange = { first: layer, last: layer };
    const options = { ...model, range, numerics: 'exact', kvBytesMax: KV_BYTES_MAX } as const;
    const stage = await factory(options);
    try {
      input = await stepTwice(stage, input);
    } finally {
      stage.dispose();
    }
  }
}

async function stepTwice(stage: Stage, input: Int32Array | Float32Array): Promise<Float32Array> {
  const first = await stepOnce(stage, input);
  const second = await stepOnce(stage, input);
  const layer = stage.range.first;
  if (!first.every(Number.isFinite)) {
    throw new FaultError('engine/wrong-answer', `layer ${layer} gives values that are no numbers`);
  }
  if (!first.every((value, i) => Object.is(value, second[i]))) {
    throw new FaultError('engine/wrong-answer', `layer ${layer} gives other bits the second time`);
  }
  return first;
}

/** Hidden states, or logits with the head, of all rows in a session of their own. */
async function stepOnce(stage: Stage, input: Int32Array | Float32Array): Promise<Float32Array> {
  const { shape, range } = stage;
  const takesIds = hasEmbedding(range);
  const kv = stage.openKv();
  try {
    const [result] = await stage.step([
      {
        kv,
        firstPosition: 0,
        rows: ROWS,
        ids: takesIds ? (input as Int32Array) : null,
        hidden: takesIds ? null : (input as Float32Array),
        want: { kind: hasHead(shape, range) ? 'logits' : 'hidden' },
      },
    ]);
    // The result may lie in memory that the next step writes.
    return Float32Array.from(result?.logits ?? result?.hidden ?? []);
  } finally {
    stage.closeKv(kv);
  }
}
