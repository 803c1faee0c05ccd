import { FaultError, isFault, type FaultCode, type FaultWire } from '#lib/kernel/errors.ts';
import { MIB } from '#lib/kernel/units.ts';
import {
  NO_FAILURES,
  applyGpuFailure,
  chooseEngine,
  type EngineChoice,
  type EngineWish,
  type GpuFinding,
  type MeasuredCpu,
} from '#lib/webgpu/capability/choose-engine.ts';
import type { Speed } from '#lib/webgpu/capability/measure.ts';
import type { ThreadChoice, ThreadPlan } from '#lib/webgpu/capability/threads.ts';
import { NODE } from './limits.ts';
import type { NodeInput } from './node-state.ts';
import type { Measured, NodePlatform } from './platform.ts';

/** What measures, in the worker. */
export interface Measurer {
  measure(): Promise<MeasuredCpu>;
  measureGpu(cpu: Speed, wish: EngineWish): Promise<GpuFinding>;
  renew(): Promise<void>;
}

export interface DeviceChoiceOptions {
  readonly platform: Pick<NodePlatform, 'kind' | 'device' | 'findGpu' | 'measurements' | 'alone'>;
  readonly measurer: Measurer;
  readonly wish: EngineWish;
  readonly threads: ThreadPlan;
  readonly memoryLentBytes: number;
  /** Before the device is busy with itself for a while. */
  readonly onBusy: () => void;
}

/**
 * What this device computes with. Measured once for each GPU, browser and model; a GPU that fails
 * while it serves is tried again, with less memory where that was the reason, and left alone at the
 * third failure.
 */
export class DeviceChoice {
  readonly #options: DeviceChoiceOptions;
  #history = NO_FAILURES;
  #choice: EngineChoice | null = null;
  #threads: ThreadChoice;
  #key = '';

  constructor(options: DeviceChoiceOptions) {
    this.#options = options;
    this.#threads = { threads: 1, reason: options.threads.reason };
  }

  /** With how many threads the processor computes, by what was measured; one before that. */
  get threads(): ThreadChoice {
    return this.#threads;
  }

  /** @throws FaultError where not even the processor could be measured. */
  async choose(model: string): Promise<EngineChoice> {
    const { wish, memoryLentBytes, platform } = this.#options;
    const gpu = wish === 'cpu' ? null : await platform.findGpu();
    const { most, isAsked } = this.#options.threads;
    // Memory is tried up to what is lent: who lends more has it tried again.
    this.#key = [
      ...[platform.device, `${gpu ?? 'no GPU'}${wish === 'gpu' ? '!' : ''}`],
      ...[`${most} threads${isAsked ? '!' : ''}`, `${Math.round(memoryLentBytes / MIB)} MB`],
      model,
    ].join(' / ');
    const known = await this.#known();
    const measured = known ?? (await this.#measure(gpu));
    const facts = { ...measured, wish, memoryLentBytes, history: this.#history };
    const choice = chooseEngine(facts);
    this.#choice = choice;
    this.#threads = measured.cpu.threads;
    // What measuring took (80 MB, with a GPU more) a worker gives back with its end; a process has
    // the room, and takes a second to start another.
    const hasLeftovers = !known && choice.engine === 'cpu-wasm' && platform.kind === 'tab';
    if (hasLeftovers) await this.#options.measurer.renew();
    return choice;
  }

  /** Live steps take another time than what was measured: the next start measures again. */
  async forget(): Promise<void> {
    await this.#options.platform.measurements.forget(this.#key);
  }

  /**
   * What a fault of the worker is to the node where it may be the GPU's: a reason to begin anew, with
   * what the GPU did in mind, never one to stop.
   */
  hear(input: NodeInput): NodeInput {
    if (!this.#choice || this.#choice.engine === 'cpu-wasm') return input;
    if (input.type !== 'worker-lost' && input.type !== 'task-failed') return input;
    const { fault } = input;
    // A download that stood still, a broken link: not the GPU's doing.
    if (!fault.code.startsWith('engine/')) return input;
    if (input.type === 'task-failed' && !NEEDS_ANEW.has(fault.code)) return input;
    const failure = { code: fault.code, nowMs: performance.now() };
    this.#history = applyGpuFailure(this.#history, failure);
    return { type: 'worker-lost', fault: lostOf(fault) };
  }

  #measure(gpu: string | null): Promise<Measured> {
    const { platform, measurer, onBusy } = this.#options;
    onBusy();
    return platform.alone(async () => {
      // Another tab of this profile may have measured while this one waited for its turn.
      const known = await this.#known();
      if (known) return known;
      const cpu = await measurer.measure();
      if (gpu !== null) return this.#measureGpu(cpu);
      return this.#keep({ cpu, gpu: { kind: 'refused', reason: 'device.no_webgpu' } });
    });
  }

  async #measureGpu(cpu: MeasuredCpu): Promise<Measured> {
    const { measurer, wish } = this.#options;
    // A tab may be closed in the middle, or taken down by its GPU: the second time it is the GPU.
    const before = await this.#options.platform.measurements.get(this.#key);
    const tries = before?.gpu.kind === 'trying' ? before.gpu.tries + 1 : 1;
    await this.#keep({ cpu, gpu: { kind: 'trying', tries } });
    try {
      const gpu = await measurer.measureGpu(cpu, wish);
      return await this.#keep({ cpu, gpu });
    } catch (error) {
      const failed: Measured = { cpu, gpu: { kind: 'refused', reason: 'device.gpu_failed' } };
      const stopped = isFault(error, 'kernel/aborted');
      if (!stopped && !isFault(error, 'package/fetch-failed')) return this.#keep(failed);
      // The person stopped or the network failed, not the GPU: the next visit tries again.
      await this.forget();
      if (stopped) throw error;
      return failed;
    }
  }

  /** What is kept, unless it is a try of the GPU that may be made once more. */
  async #known(): Promise<Measured | null> {
    const measured = await this.#options.platform.measurements.get(this.#key);
    const again = measured?.gpu.kind === 'trying' && measured.gpu.tries < NODE.gpuTriesMax;
    return again ? null : measured;
  }

  async #keep(measured: Measured): Promise<Measured> {
    await this.#options.platform.measurements.put(this.#key, measured);
    return measured;
  }
}

/** Faults of a load that another try on the same device would only meet again. */
const NEEDS_ANEW: ReadonlySet<FaultCode> = new Set<FaultCode>([
  'engine/lost',
  'engine/unsupported',
  'engine/wrong-answer',
]);

/** To the node it is a loss, whatever the code: with another choice it comes back by itself. */
const lostOf = ({ message }: FaultWire): FaultWire =>
  new FaultError('engine/lost', message).toWire();
