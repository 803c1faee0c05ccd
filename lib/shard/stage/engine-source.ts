import { must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { once } from '#lib/kernel/once.ts';
import {
  hopelessMs,
  type EngineWish,
  type GpuFinding,
  type MeasuredCpu,
} from '#lib/webgpu/capability/choose-engine.ts';
import { measureGpu } from '#lib/webgpu/capability/measure-gpu.ts';
import type { Speed } from '#lib/webgpu/capability/measure.ts';
import type { ThreadChoice } from '#lib/webgpu/capability/threads.ts';
import type { GpuEngine } from '#lib/webgpu/gpu/gpu-engine.ts';
import { wasmMemoryBytes } from '#lib/webgpu/capability/wasm-memory.ts';
import type { Engine } from '#lib/webgpu/model.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import { CpuEngine, type CpuEngineDoors } from './cpu-engine.ts';
import { storedTypes } from './stored-types.ts';

export interface EngineDoors extends CpuEngineDoors {
  /** Null where the platform has none (Node). @throws FaultError `engine/unsupported`. */
  readonly openGpu: (() => Promise<GpuEngine>) | null;
  readonly memoryLentBytes: number;
  /** The GPU that stages of this worker are on is gone. */
  readonly onLost: (fault: FaultError) => void;
}

/** Where this worker's stages come from: the processor, until `use` says the GPU. */
export class EngineSource {
  readonly #doors: EngineDoors;
  readonly #cpu: CpuEngine;
  readonly #gpu: () => Promise<GpuEngine>;
  #engine: Engine = 'cpu-wasm';
  #memoryBytes: number;

  constructor(doors: EngineDoors) {
    this.#doors = doors;
    this.#memoryBytes = doors.memoryLentBytes;
    this.#cpu = new CpuEngine(doors);
    this.#gpu = once(async () => {
      const gpu = await must(doors.openGpu, 'only a tab is told to use a GPU')();
      // An idle stage hears of it in no other way.
      void gpu.device.lost.then(() => this.#onLost(gpu.device.lostReason));
      return gpu;
    });
  }

  /** Bytes that stages may hold in all. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** What loads from now on. Nothing is opened before it is needed. */
  use(
    engine: Engine,
    { memoryBytes, threads }: { readonly memoryBytes: number; readonly threads: ThreadChoice },
  ): void {
    this.#engine = engine;
    this.#memoryBytes = memoryBytes;
    this.#cpu.use(threads);
  }

  /** A checked engine: the processor's known answers, the GPU's device and ONNX Runtime. */
  async factory(): Promise<StageFactory> {
    const engine = this.#engine;
    if (engine === 'cpu-wasm') return this.#cpu.factory();
    return (await this.#gpu()).factory(engine);
  }

  async measureCpu(manifest: Manifest): Promise<MeasuredCpu> {
    const speed = await this.#cpu.measure(pieceOf(manifest));
    return { ...speed, memoryBytes: wasmMemoryBytes(this.#doors.memoryLentBytes) };
  }

  /** @throws FaultError where the GPU could not be tried to the end. */
  async measureGpu(manifest: Manifest, cpu: Speed, wish: EngineWish): Promise<GpuFinding> {
    return measureGpu({
      gpu: await this.#gpu(),
      kernels: await this.#cpu.kernels(),
      piece: { ...pieceOf(manifest), numerics: 'exact' },
      hopelessMs: hopelessMs(cpu, wish),
      memoryLentBytes: this.#doors.memoryLentBytes,
    });
  }

  #onLost(reason: string | null): void {
    if (this.#engine === 'cpu-wasm') return;
    this.#doors.onLost(new FaultError('engine/lost', `the GPU is gone (${String(reason)})`));
  }
}

const pieceOf = (manifest: Manifest) => ({ shape: manifest.shape, typeOf: storedTypes(manifest) });
