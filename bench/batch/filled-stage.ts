import { must } from '#lib/kernel/assert.ts';
import { kvPageBytes } from '#lib/webgpu/cpu/core.ts';
import { Arena } from '#lib/webgpu/cpu/arena.ts';
import { instantiateKernels, type Kernels } from '#lib/webgpu/cpu/kernels.ts';
import { layOut } from '#lib/webgpu/cpu/layout.ts';
import { CPU_LIMITS } from '#lib/webgpu/cpu/limits.ts';
import { loadWeights } from '#lib/webgpu/cpu/load-weights.ts';
import { PageMemory } from '#lib/webgpu/cpu/page-memory.ts';
import { PassRunner, type Placed } from '#lib/webgpu/cpu/pass-runner.ts';
import { planPasses } from '#lib/webgpu/cpu/passes.ts';
import { Helpers, type StageThreads } from '#lib/webgpu/cpu/threads.ts';
import type { ModelShape } from '#lib/webgpu/model.ts';
import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import type { StageOptions } from '#lib/webgpu/stage.ts';

interface FilledWith {
  readonly sessions: number;
  readonly positions: number;
  readonly threads?: StageThreads | null;
}

/**
 * A CPU stage whose sessions have a past that nobody computed: their KV pages hold numbers of some
 * size, written straight to memory. What a step costs does not depend on them, and sixteen times
 * 1 000 positions would take minutes to compute. Everything a step does with weights, activations
 * and KV is the stage's own code; only its accounting of pages is left out.
 */
export class FilledStage {
  readonly #runner: PassRunner;
  /** Of each session, addresses of its pages. */
  readonly #sessions: readonly (readonly number[])[];

  readonly #helpers: Helpers | null;

  private constructor(
    runner: PassRunner,
    sessions: readonly (readonly number[])[],
    helpers: Helpers | null,
  ) {
    this.#runner = runner;
    this.#sessions = sessions;
    this.#helpers = helpers;
  }

  static async load(
    module: WebAssembly.Module,
    options: Omit<StageOptions, 'kvBytesMax'>,
    of: FilledWith,
  ): Promise<FilledStage> {
    const kernels = await instantiateKernels(module);
    const arena = new Arena(kernels.memory, kernels.heapBase());
    const pages = Math.ceil(of.positions / CPU_LIMITS.pagePositions);
    const pagesMax = pages * of.sessions;
    const pageBytes = kvPageBytes(options.shape, options.range, options.numerics);
    const whole = { ...options, kvBytesMax: pagesMax * pageBytes };
    const { threads = null } = of;
    const layout = layOut(arena, { ...whole, pagesMax, threads: threads?.count ?? 1 });
    kernels.useRange(must(layout.ranges[0], 'the main thread has a range'));
    initRope(kernels, options.shape);
    const helpers = threads ? new Helpers({ module, kernels, layout }, threads) : null;
    await loadWeights({ kernels, arena, layout }, whole);
    await helpers?.join();
    const memory = new PageMemory(arena, { ...whole, pagesMax });
    memory.make(pagesMax);
    const sessions = Array.from({ length: of.sessions }, (_, session) =>
      Array.from({ length: pages }, (_, page) => filledPage(memory, session * pages + page)),
    );
    const runner = new PassRunner(kernels, arena, { ...whole, layout });
    return new FilledStage(runner, sessions, helpers);
  }

  dispose(): void {
    this.#helpers?.end();
  }

  /** One token of each of the first `sessions` sessions, `past` positions in. */
  step(sessions: number, past: number): void {
    const pages = Math.floor(past / CPU_LIMITS.pagePositions) + 1;
    const placed = this.#sessions.slice(0, sessions).map((all, kv): Placed => {
      const want = { kind: 'sample', params: GREEDY, index: 0, history: NO_HISTORY } as const;
      const ids = Int32Array.of(200 + kv);
      const segment = { kv, firstPosition: past, rows: 1, ids, hidden: null, want };
      return { segment, pages: all.slice(0, pages) };
    });
    const results = placed.map(() => ({ hidden: null, sampledId: null, logits: null }));
    const rows = placed.map(({ segment }) => segment.rows);
    for (const pass of planPasses(rows, CPU_LIMITS.passRowsMax)) {
      this.#runner.run(placed, pass, results);
    }
  }
}

function initRope(kernels: Kernels, { ropeTheta, ropeScaling }: ModelShape): void {
  const s = ropeScaling;
  kernels.ropeInit(
    ropeTheta,
    s?.factor ?? 0,
    s?.lowFreqFactor ?? 0,
    s?.highFreqFactor ?? 0,
    s?.originalContext ?? 0,
  );
}

/** Numbers from 0 to 1, no two pages of memory alike: read as 16 bits, they are of any sign. */
function filledPage(memory: PageMemory, page: number): number {
  for (const part of memory.parts(page)) {
    const values = new Float32Array(part.buffer, part.byteOffset, part.length / 4);
    for (let i = 0; i < values.length; i += 1) values[i] = ((i * 2_654_435_761) >>> 20) / 4096;
  }
  return memory.address(page);
}
