import { CPU_LIMITS } from './limits.ts';
import type { Kernels } from './kernels.ts';
import type { Layout } from './layout.ts';

/** What a helper thread is given. Addresses are bytes in the stage's memory. */
export interface HelperStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Its own `Range` struct, and the words that all threads share. */
  readonly range: number;
  readonly control: number;
}

/** A Web Worker or a worker thread that runs `help`. */
export interface HelperThread {
  /** Settles when it has joined, or cannot start. Never unhandled. */
  readonly ready: Promise<void>;
  /** Its stage has ended, and has said so in their memory; whatever it does, the thread goes, too. */
  end(): void;
}

/** How many threads a stage is to have, and how its helpers are started. */
export interface StageThreads {
  readonly count: number;
  readonly start: (start: HelperStart) => HelperThread;
  /** Told for each stage how many it has: fewer where helpers did not come up in time. */
  readonly onThreads?: (count: number) => void;
}

/** The helpers of one stage: begun before its weights come, counted when they are there. */
export class Helpers {
  readonly #kernels: Kernels;
  readonly #threads: readonly HelperThread[];
  readonly #joined: Promise<unknown>;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    { module, kernels, layout }: { module: WebAssembly.Module; kernels: Kernels; layout: Layout },
    { start }: StageThreads,
  ) {
    const { control, ranges } = layout;
    const { memory } = kernels;
    this.#kernels = kernels;
    kernels.useThreads(control);
    this.#threads = ranges.slice(1).map((range) => start({ module, memory, range, control }));
    const all = Promise.allSettled(this.#threads.map(({ ready }) => ready));
    const late = new Promise<void>((resolve) => {
      this.#timer = setTimeout(resolve, CPU_LIMITS.helperStartMs);
    });
    this.#joined = Promise.race([all, late]);
  }

  /** From now on the stage's phases are dealt out. @returns how many threads there are. */
  async join(): Promise<number> {
    await this.#joined;
    this.#forgetTimer();
    return this.#kernels.closeThreads();
  }

  end(): void {
    this.#forgetTimer();
    this.#kernels.endThreads();
    for (const thread of this.#threads) thread.end();
  }

  #forgetTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
