import { must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { LayerRange, ModelShape, Numerics } from '../model.ts';
import type {
  KvId,
  PrefixCache,
  Segment,
  SegmentResult,
  Stage,
  StageFactory,
  StageOptions,
} from '../stage.ts';
import { Arena } from './arena.ts';
import { checkShape } from './check-shape.ts';
import { checkStep } from './check-step.ts';
import { instantiateKernels, type Kernels } from './kernels.ts';
import { layOut, type Layout } from './layout.ts';
import { CPU_LIMITS } from './limits.ts';
import { loadWeights } from './load-weights.ts';
import { PageMemory, groupPages, kvPageBytes } from './page-memory.ts';
import { PagedKv } from './paged-kv.ts';
import { PassRunner, type MutableResult } from './pass-runner.ts';
import { planPasses } from './passes.ts';
import { Helpers, type StageThreads } from './threads.ts';

/**
 * The factory of stages on the processor: kernels of ours, compiled once (`server.ts`,
 * `browser.ts`), an instance and a memory for each stage. `threads` goes with the build for threads.
 * @throws FaultError `engine/unsupported`, `engine/out-of-memory`, `package/…` (see `load-weights`).
 */
export const cpuStageFactory =
  (module: WebAssembly.Module, threads: StageThreads | null = null): StageFactory =>
  async (options) => {
    checkShape(options.shape, options.range);
    const kernels = await instantiateKernels(module);
    const arena = new Arena(kernels.memory, kernels.heapBase());
    const pagesMax = Math.floor(
      options.kvBytesMax / kvPageBytes(options.shape, options.range, options.numerics),
    );
    if (pagesMax < 1) throw new FaultError('engine/out-of-memory', 'no room for one KV page');
    const layout = layOut(arena, { ...options, pagesMax, threads: threads?.count ?? 1 });
    kernels.useRange(must(layout.ranges[0], 'the main thread has a range'));
    initRope(kernels, options.shape);
    const helpers = threads ? new Helpers({ module, kernels, layout }, threads) : null;
    try {
      await loadWeights({ kernels, arena, layout }, options);
      threads?.onThreads?.((await helpers?.join()) ?? 1);
    } catch (error) {
      helpers?.end();
      throw error;
    }
    return new CpuStage({ ...options, layout, pagesMax, helpers }, kernels, arena);
  };

function initRope(kernels: Kernels, { ropeTheta, ropeScaling }: ModelShape): void {
  const none = { factor: 0, lowFreqFactor: 0, highFreqFactor: 0, originalContext: 0 };
  const s = ropeScaling ?? none;
  kernels.ropeInit(ropeTheta, s.factor, s.lowFreqFactor, s.highFreqFactor, s.originalContext);
}

/** Equal bits for a row whatever its batch, chunk, pass or machine. */
class CpuStage implements Stage {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly numerics: Numerics;
  readonly rowsMax = CPU_LIMITS.stepRowsMax;
  readonly warmUpRows = CPU_LIMITS.warmUpRows;
  /** A row's kernels do not know whose it is. */
  readonly warmUpSessions = [];
  readonly pagePositions = CPU_LIMITS.pagePositions;
  readonly pagesMax: number;
  readonly prefixCache: PrefixCache = {
    share: (kv, keys) => this.#kv.share(kv, keys),
    keep: (kv, firstPage, keys) => this.#kv.keep(kv, firstPage, keys),
  };
  readonly #arena: Arena;
  readonly #kv: PagedKv;
  readonly #runner: PassRunner;
  readonly #helpers: Helpers | null;
  readonly #pages: PageMemory;
  #lost = false;

  constructor(
    options: StageOptions & { layout: Layout; pagesMax: number; helpers: Helpers | null },
    kernels: Kernels,
    arena: Arena,
  ) {
    this.shape = options.shape;
    this.range = options.range;
    this.numerics = options.numerics;
    this.pagesMax = options.pagesMax;
    this.#arena = arena;
    this.#kv = new PagedKv(this.pagePositions, this.pagesMax, groupPages(options));
    this.#pages = new PageMemory(arena, options);
    this.#runner = new PassRunner(kernels, arena, options);
    this.#helpers = options.helpers;
  }

  pagesFree(): number {
    return this.#kv.pagesFree();
  }

  memoryBytes(): number {
    return this.#arena.size - this.#pages.untouchedBytes(this.#kv.pagesTouched());
  }

  openKv(): KvId {
    return this.#kv.open();
  }

  kvLength(kv: KvId): number {
    return this.#kv.length(kv);
  }

  truncateKv(kv: KvId, length: number): void {
    this.#kv.truncate(kv, length);
  }

  closeKv(kv: KvId): void {
    this.#kv.close(kv);
  }

  step(segments: readonly Segment[]): Promise<SegmentResult[]> {
    // The kernels run in this very call: there is nothing to wait for.
    return new Promise((resolve) => {
      resolve(this.#stepNow(segments));
    });
  }

  dispose(): void {
    this.#lost = true;
    this.#helpers?.end();
  }

  #stepNow(segments: readonly Segment[]): SegmentResult[] {
    if (this.#lost) throw new FaultError('engine/lost', 'this stage is gone');
    checkStep({ shape: this.shape, range: this.range, kv: this.#kv }, segments);
    // Memory for all pages that the step takes, before anything changes.
    this.#pages.make(this.#kv.pagesMadeAfter(this.#kv.pagesMissing(segments)));
    for (const { kv, rows } of segments) this.#append(kv, rows);
    const placed = segments.map((segment) => ({
      segment,
      pages: this.#kv.pages(segment.kv).map((page) => this.#pages.address(page)),
    }));
    const results = segments.map((segment) => this.#emptyResult(segment));
    const passes = planPasses(
      segments.map((segment) => segment.rows),
      CPU_LIMITS.passRowsMax,
    );
    try {
      for (const pass of passes) this.#runner.run(placed, pass, results);
    } catch (cause) {
      this.dispose();
      throw new FaultError('engine/lost', 'a kernel stopped', { cause });
    }
    return results;
  }

  /** A shared page is never written (S3): its content goes to a page of the session's own first. */
  #append(kv: KvId, rows: number): void {
    const copy = this.#kv.append(kv, rows);
    if (copy) this.#pages.copy(copy.from, copy.to);
  }

  #emptyResult({ rows, want }: Segment): MutableResult {
    return {
      hidden: want.kind === 'hidden' ? new Float32Array(rows * this.shape.hidden) : null,
      sampledId: null,
      logits: want.kind === 'logits' ? new Float32Array(rows * this.shape.vocab) : null,
    };
  }
}
