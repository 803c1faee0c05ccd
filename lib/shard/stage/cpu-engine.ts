import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { once } from '#lib/kernel/once.ts';
import { measureSpeed, type CpuPiece, type Speed } from '#lib/webgpu/capability/measure.ts';
import {
  chooseThreads,
  nextThreads,
  type CpuSpeed,
  type ThreadChoice,
  type ThreadPlan,
  type TimedThreads,
} from '#lib/webgpu/capability/threads.ts';
import { cpuStageFactory, type StageThreads } from '#lib/webgpu/cpu/core.ts';
import { selfCheck } from '#lib/webgpu/known-answer.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';

/** The kernels, built for one thread or for several. */
type Build = 'one' | 'threads';

export interface CpuEngineDoors {
  readonly loadKernels: (build: Build) => Promise<WebAssembly.Module>;
  readonly startHelper: StageThreads['start'];
  readonly plan: ThreadPlan;
  /** Fewer threads compute than were told to. */
  readonly onThreads: (choice: ThreadChoice) => void;
}

type Modules = Readonly<Record<Build, () => Promise<WebAssembly.Module>>>;

/** The processor of a worker: with how many threads its stages compute, one until that is told. */
export class CpuEngine {
  readonly #doors: CpuEngineDoors;
  readonly #kernels: Modules;
  readonly #checked: Modules;
  #threads = 1;

  constructor(doors: CpuEngineDoors) {
    this.#doors = doors;
    const kernels = (build: Build) => once(() => doors.loadKernels(build));
    this.#kernels = { one: kernels('one'), threads: kernels('threads') };
    const checked = (build: Build) => once(() => checkedModule(this.#kernels[build]()));
    this.#checked = { one: checked('one'), threads: checked('threads') };
  }

  use({ threads }: ThreadChoice): void {
    this.#threads = threads;
  }

  /** The build for one thread. @throws FaultError `engine/unsupported`. */
  kernels(): Promise<WebAssembly.Module> {
    return this.#kernels.one();
  }

  /**
   * Stages with as many threads as were told; one where this device gives no shared memory.
   * @throws FaultError `engine/unsupported`, `engine/wrong-answer`.
   */
  async factory(): Promise<StageFactory> {
    const threads = this.#threads;
    if (threads > 1) {
      try {
        return this.#factoryOf(await this.#checked.threads(), threads, (joined) => {
          if (joined < threads) this.#fewer(joined);
        });
      } catch (error) {
        if (!isFault(error, 'engine/unsupported')) throw error;
        this.#fewer(1);
      }
    }
    return cpuStageFactory(await this.#checked.one());
  }

  /** Times as many threads as the plan asks for, and chooses. */
  async measure(piece: CpuPiece): Promise<CpuSpeed> {
    const { plan } = this.#doors;
    const timed: TimedThreads[] = [];
    for (;;) {
      const threads = nextThreads(plan, timed);
      if (threads === null) break;
      timed.push({ threads, speed: await this.#speedOf(threads, piece) });
    }
    const { speed, threads, reason } = chooseThreads(plan, timed);
    if (!speed) throw new FaultError('engine/unsupported', 'no thread could be timed');
    return { ...speed, threads: { threads, reason } };
  }

  /** Null where helpers did not come up, or memory cannot be shared. */
  async #speedOf(threads: number, piece: CpuPiece): Promise<Speed | null> {
    if (threads === 1) return measureSpeed(cpuStageFactory(await this.#kernels.one()), piece);
    let joined = 0;
    try {
      const module = await this.#kernels.threads();
      const factory = this.#factoryOf(module, threads, (count) => (joined = count));
      const speed = await measureSpeed(factory, piece);
      return joined === threads ? speed : null;
    } catch (error) {
      if (isFault(error, 'engine/unsupported')) return null;
      throw error;
    }
  }

  #factoryOf(
    module: WebAssembly.Module,
    count: number,
    onThreads: (joined: number) => void,
  ): StageFactory {
    return cpuStageFactory(module, { count, start: this.#doors.startHelper, onThreads });
  }

  #fewer(threads: number): void {
    this.#threads = threads;
    this.#doors.onThreads({ threads, reason: 'device.threads_failed' });
  }
}

async function checkedModule(loading: Promise<WebAssembly.Module>): Promise<WebAssembly.Module> {
  const module = await loading;
  await selfCheck(module);
  return module;
}
