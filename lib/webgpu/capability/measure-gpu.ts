import { isFault } from '#lib/kernel/errors.ts';
import type { ReasonCode } from '#lib/kernel/reasons.ts';
import { answersAgree, type KnownAnswer } from '../answers-agree.ts';
import { cpuStageFactory } from '../cpu/core.ts';
import { checkBuffers, checkShape } from '../gpu/check-shape.ts';
import { PRECISION, type GpuEngine } from '../gpu/gpu-engine.ts';
import type { Precision } from '../gpu/graph-builder.ts';
import { largestBufferBytes, packedBytes } from '../gpu/weights/packed-bytes.ts';
import { knownAnswer } from '../known-answer.ts';
import { BLOCK, type GpuEngineName, type Numerics } from '../model.ts';
import type { StageClass, StageFactory } from '../stage.ts';
import { tensorSize } from '../tensor-size.ts';
import type { GpuFinding } from './choose-engine.ts';
import { ENGINE_CHOICE } from './limits.ts';
import { loadPiece, measureCompiled, type PieceOptions } from './measure.ts';

export interface GpuQuestion {
  readonly gpu: GpuEngine;
  /** The CPU kernels, which say what is right. */
  readonly kernels: WebAssembly.Module;
  readonly piece: PieceOptions;
  /** A layer that takes one row longer than this is not worth measuring. */
  readonly hopelessMs: number;
  readonly memoryLentBytes: number;
}

type Finding = Exclude<GpuFinding, { kind: 'trying' }>;

const refused = (reason: ReasonCode): Finding => ({ kind: 'refused', reason });

/**
 * What a GPU is worth for a model, before anything of it is downloaded: its shape is taken, a known
 * answer is right, and it is measured at the same rows as the processor. In 16 bits where it has them,
 * in 32 where it has not or is wrong with them.
 * @throws FaultError `engine/lost`, `engine/out-of-memory`.
 */
export async function measureGpu(question: GpuQuestion): Promise<GpuFinding> {
  let finding = refused('device.shape');
  for (const engine of question.gpu.names) {
    finding = await measureEngine(question, engine);
    // What is too slow in 16 bits is slower in 32; what is wrong there may be right here.
    if (finding.kind === 'sound' || finding.reason === 'device.gpu_slow') return finding;
  }
  return finding;
}

async function measureEngine(question: GpuQuestion, engine: GpuEngineName): Promise<Finding> {
  const { gpu, kernels, piece, hopelessMs, memoryLentBytes } = question;
  try {
    const factory = gpu.factory(engine);
    checkModel(question, engine);
    const tried = { ...piece, numerics: NUMERICS_OF[engine] };
    const speed = await measureCompiled(factory, { ...tried, hopelessMs });
    if (!speed) return refused('device.gpu_slow');
    const given = await answerOf(factory, tried);
    // What the GPU refuses is known before the processor has to work for it.
    const right = await answerOf(cpuStageFactory(kernels), piece);
    const agrees = answersAgree(CLASS_OF[engine], given, right);
    if (!agrees) return refused('device.gpu_wrong');
    return {
      ...{ kind: 'sound', engine, speed },
      memoryBytes: await gpu.device.allocatableBytes(memoryLentBytes),
      weightFactor: weightFactor(piece, PRECISION[engine]),
    };
  } catch (error) {
    if (isFault(error, 'engine/unsupported')) return refused('device.shape');
    if (isFault(error, 'engine/wrong-answer')) return refused('device.gpu_wrong');
    throw error;
  }
}

/** `exact` stages compute in 32 bits. */
const NUMERICS_OF: Readonly<Record<GpuEngineName, Numerics>> = {
  'gpu-webgpu': 'exact',
  'gpu-webgpu-f16': 'int16',
};

const CLASS_OF: Readonly<Record<GpuEngineName, Exclude<StageClass, 'bits'>>> = {
  'gpu-webgpu': 'tolerance',
  'gpu-webgpu-f16': 'half',
};

/** What a stage of any range of the model would be refused for: the piece has a part of it only. */
function checkModel({ piece: { shape, typeOf }, gpu }: GpuQuestion, engine: GpuEngineName): void {
  checkShape(shape, { first: 0, last: shape.layers - 1 });
  const largest = [...MATRICES, 'embedding' as const].map((name) => {
    const { rows, cols } = tensorSize(shape, name);
    return largestBufferBytes(typeOf(name), rows * cols, PRECISION[engine]);
  });
  checkBuffers(gpu.device.device.limits, largest);
}

/** The answer to the same rows of the same weights, whoever computes it. */
async function answerOf(factory: StageFactory, piece: PieceOptions): Promise<KnownAnswer> {
  const stage = await loadPiece(factory, { ...piece, layersMax: ENGINE_CHOICE.checkLayers });
  try {
    return await knownAnswer(stage, 3, ENGINE_CHOICE.checkRows);
  } finally {
    stage.dispose();
  }
}

/** Packed bytes of a layer's matrices, of those stored. */
function weightFactor({ shape, typeOf }: PieceOptions, precision: Precision): number {
  let [stored, packed] = [0, 0];
  for (const name of MATRICES) {
    const { rows, cols } = tensorSize(shape, name);
    const type = typeOf(name);
    const block = BLOCK[type];
    stored += (rows * cols * block.bytes) / block.values;
    packed += packedBytes(type, rows * cols, precision);
  }
  return packed / stored;
}

const MATRICES = [
  'attn-q',
  'attn-k',
  'attn-v',
  'attn-o',
  'mlp-gate',
  'mlp-up',
  'mlp-down',
] as const;
