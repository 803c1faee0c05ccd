import type { FaultCode } from '#lib/kernel/errors.ts';
import type { ReasonCode } from '#lib/kernel/reasons.ts';
import type { Engine, GpuEngineName } from '../model.ts';
import { ENGINE_CHOICE } from './limits.ts';
import type { Speed } from './measure.ts';
import type { ThreadChoice } from './threads.ts';

/** Who decides: what was measured, or the person (`/volunteer?engine=cpu`). */
export const ENGINE_WISHES = ['measured', 'cpu', 'gpu'] as const;
export type EngineWish = (typeof ENGINE_WISHES)[number];

/** What was found out about the processor for one model. */
export interface CpuFinding extends Speed {
  /** What one WebAssembly memory can be made of, of the memory lent. */
  readonly memoryBytes: number;
}

/** The same, with the threads that it was measured with. */
export interface MeasuredCpu extends CpuFinding {
  readonly threads: ThreadChoice;
}

/** What was found out about a GPU for one model. */
export type GpuFinding =
  | {
      readonly kind: 'sound';
      /** In 16 bits where it has them and is right with them. */
      readonly engine: GpuEngineName;
      readonly speed: Speed;
      /** What buffers could be made of, of the memory lent. */
      readonly memoryBytes: number;
      /** Bytes of packed weights, of those stored. */
      readonly weightFactor: number;
    }
  | { readonly kind: 'refused'; readonly reason: ReasonCode }
  /** Written before a try: whoever finds it knows that one did not come to its end. */
  | { readonly kind: 'trying'; readonly tries: number };

/** What a GPU did to this node since it was started. */
export interface GpuHistory {
  readonly failures: number;
  /** When the last one was, on the caller's clock. */
  readonly failedAtMs: number;
  /** Of the memory that it could have: halved each time it ran out. */
  readonly memoryShare: number;
}
export const NO_FAILURES: GpuHistory = { failures: 0, failedAtMs: -Infinity, memoryShare: 1 };

/**
 * A GPU that was lost, hung, ran out of memory or gave wrong answers while it was used. What lies
 * longer back than `forgiveMs` counts no more: a driver may be changed once a day.
 */
export function applyGpuFailure(
  history: GpuHistory,
  { code, nowMs }: { readonly code: FaultCode; readonly nowMs: number },
): GpuHistory {
  const recent = nowMs - history.failedAtMs < ENGINE_CHOICE.forgiveMs ? history.failures : 0;
  const full = code === 'engine/out-of-memory';
  // What it cannot compute and what it computes wrongly will be no different next time.
  const final = code === 'engine/unsupported' || code === 'engine/wrong-answer';
  return {
    failures: final ? ENGINE_CHOICE.failuresMax : recent + 1,
    failedAtMs: nowMs,
    memoryShare: full ? history.memoryShare / 2 : history.memoryShare,
  };
}

export interface EngineFacts {
  readonly cpu: CpuFinding;
  /** Null where nobody looked: the person wants the processor. */
  readonly gpu: GpuFinding | null;
  readonly history: GpuHistory;
  readonly wish: EngineWish;
  readonly memoryLentBytes: number;
}

/** What a node computes with, how fast that is, and why. */
export interface EngineChoice extends Speed {
  readonly engine: Engine;
  readonly reason: ReasonCode;
  /**
   * What placement may count with, so that it knows one rule for every engine: weights take 1.25 of
   * what is stored (W7). A GPU that packs them larger has that much less to offer.
   */
  readonly memoryBytes: number;
}

/**
 * The engine that is sound and faster at a usual answer: 128 tokens of prompt in chunks of 64, then
 * 128 tokens one by one. Numerics are the cluster's, and every engine computes both; how many layers
 * follows from speed and memory, in placement.
 */
export function chooseEngine(facts: EngineFacts): EngineChoice {
  const { cpu, gpu, history, wish, memoryLentBytes } = facts;
  const processor = (reason: ReasonCode): EngineChoice => ({
    ...cpu,
    ...{ engine: 'cpu-wasm', reason },
    memoryBytes: Math.min(cpu.memoryBytes, memoryLentBytes),
  });
  if (wish === 'cpu' || gpu === null) return processor('device.cpu_wished');
  if (gpu.kind === 'refused') return processor(gpu.reason);
  if (gpu.kind === 'trying') return processor('device.gpu_failed');
  if (history.failures >= ENGINE_CHOICE.failuresMax) return processor('device.gpu_failed');
  const isFaster = answerMs(gpu.speed) < answerMs(cpu);
  if (!isFaster && wish !== 'gpu') return processor('device.gpu_slow');
  const packing = Math.max(gpu.weightFactor / ENGINE_CHOICE.weightFactor, 1);
  const memoryBytes = Math.min(gpu.memoryBytes, memoryLentBytes) * history.memoryShare;
  return {
    ...gpu.speed,
    engine: gpu.engine,
    reason: isFaster ? GPU_REASON[gpu.engine] : 'device.gpu_wished',
    memoryBytes: Math.floor(memoryBytes / packing),
  };
}

const GPU_REASON: Readonly<Record<GpuEngineName, ReasonCode>> = {
  'gpu-webgpu-f16': 'device.gpu',
  'gpu-webgpu': 'device.no_f16',
};

/**
 * Milliseconds of one row in one layer past which a GPU is not worth measuring any longer. A run
 * costs a GPU milliseconds, however few its layers, hence the floor.
 */
export const hopelessMs = (cpu: Speed, wish: EngineWish): number =>
  wish === 'gpu' ? Infinity : Math.max(4 * cpu.layerMs[0], ENGINE_CHOICE.hopelessMsMin);

/** Milliseconds that one layer takes for a usual answer. */
const answerMs = ({ layerMs: [one, , chunk] }: Speed): number =>
  ENGINE_CHOICE.chunks * chunk + ENGINE_CHOICE.tokens * one;
