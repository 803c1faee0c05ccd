import { sha256 } from '@noble/hashes/sha2.js';
import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { KNOWN_SAMPLE_VALUES, type KnownAnswer } from './answers-agree.ts';
import { cpuStageFactory } from './cpu/core.ts';
import { SELF_CHECK_DIGESTS } from './known-answer-digests.ts';
import {
  NUMERICS,
  SHAPE_KINDS,
  hasEmbedding,
  hasHead,
  type Numerics,
  type ShapeKind,
} from './model.ts';
import { philox } from './sampling/philox.ts';
import { SELF_CHECK_MODELS } from './self-check-models.ts';
import type { Segment, Stage } from './stage.ts';
import { syntheticWeights } from './synthetic-weights.ts';

/**
 * Runs `rows` seeded rows through a stage (M7): all but the last as one prefill, the last as a
 * decode step on top of it, so that both kernels and the KV cache speak. The answer is of the last
 * row's hidden state or logits. CPU stages of equal weights give equal digests on every machine.
 * @throws FaultError `engine/wrong-answer` where the output is not finite.
 */
export async function knownAnswer(stage: Stage, seed: number, rows: number): Promise<KnownAnswer> {
  const kv = stage.openKv();
  try {
    const inputs = { stage, kv, seed };
    // Of the first rows only what they leave in the KV cache is looked at.
    const first = rows > 1 && seededSegment(inputs, 0, rows - 1);
    if (first) await stage.step([{ ...first, want: { kind: 'none' } }]);
    const [result] = await stage.step([seededSegment(inputs, rows - 1, 1)]);
    return answerOf(must(result?.logits ?? result?.hidden, 'a wanted output'));
  } finally {
    stage.closeKv(kv);
  }
}

function answerOf(output: Float32Array): KnownAnswer {
  const bytes = new Uint8Array(output.buffer, output.byteOffset, output.byteLength);
  const largest = output.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!Number.isFinite(largest)) {
    throw new FaultError('engine/wrong-answer', 'this device computes what is no number');
  }
  const every = (output.length - 1) / (KNOWN_SAMPLE_VALUES - 1);
  const sample = Array.from({ length: KNOWN_SAMPLE_VALUES }, (_, i) => {
    return output[Math.round(i * every)] ?? 0;
  });
  return { digest: toHex(sha256(bytes)), largest, sample };
}

interface SeededInputs {
  readonly stage: Stage;
  readonly kv: number;
  readonly seed: number;
}

/** Rows `first` … of the seeded input, and all that they give; the same whatever the cut. */
export function seededSegment(
  { stage, kv, seed }: SeededInputs,
  first: number,
  rows: number,
): Segment {
  const { shape, range } = stage;
  const width = hasEmbedding(range) ? 1 : shape.hidden;
  const words = Array.from({ length: rows * width }, (_, i) => {
    return philox([first * width + i, 0, 0, 0], [seed >>> 0, 0x6b6e6f77])[0];
  });
  const takesIds = hasEmbedding(range);
  return {
    kv,
    firstPosition: first,
    rows,
    ids: takesIds ? Int32Array.from(words, (word) => word % shape.vocab) : null,
    hidden: takesIds ? null : Float32Array.from(words, (word) => word / 2 ** 31 - 1),
    want: { kind: hasHead(shape, range) ? 'logits' : 'hidden' },
  };
}

/** Positions past a page's border and past one tile of rows. */
const SELF_CHECK_ROWS = 38;

/** Digest of the answer of the built-in model of this kind on this device. */
export async function selfCheckDigest(
  module: WebAssembly.Module,
  kind: ShapeKind,
  numerics: Numerics,
): Promise<string> {
  const { shape, types } = SELF_CHECK_MODELS[kind];
  const stage = await cpuStageFactory(module)({
    shape,
    range: { first: 0, last: shape.layers - 1 },
    numerics,
    kvBytesMax: 2 ** 20,
    weights: syntheticWeights(shape, (name) => types[name] ?? 'F32'),
  });
  try {
    return (await knownAnswer(stage, 7, SELF_CHECK_ROWS)).digest;
  } finally {
    stage.dispose();
  }
}

/**
 * Compares this device's answers with the stored ones, before any weight is loaded.
 * @throws FaultError `engine/wrong-answer` on a device whose arithmetic differs.
 */
export async function selfCheck(module: WebAssembly.Module): Promise<void> {
  for (const kind of SHAPE_KINDS) {
    for (const numerics of NUMERICS) {
      const digest = await selfCheckDigest(module, kind, numerics);
      if (digest === SELF_CHECK_DIGESTS[kind][numerics]) continue;
      throw new FaultError('engine/wrong-answer', 'this device computes other bits than ours', {
        details: { kind, numerics, digest },
      });
    }
  }
}
