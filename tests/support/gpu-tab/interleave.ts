import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import { loadKernels } from '#lib/webgpu/cpu/browser.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { kvPageBytes } from '#lib/webgpu/gpu/gpu-stage.ts';
import type { Segment, Stage, StageFactory } from '#lib/webgpu/stage.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import { everyRow, loadStage, segmentFor } from '#tests/support/stages.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

const SHAPE = tinyShape({ kind: 'qwen3', vocab: 101, contextMax: 256 });
const MODEL = {
  shape: SHAPE,
  weights: syntheticWeights(SHAPE, (name) => (name.startsWith('attn') ? 'Q4_1' : 'Q8_0')),
};
const PAGES = 12;
const SESSIONS_MAX = 8;
const ACTIONS = 16;
/** Of the largest value of a row's output (W1). */
const TOLERANCE = 1e-4;

export interface Interleaved {
  readonly steps: number;
  readonly rollBacks: number;
  /** Steps that lacked pages. */
  readonly short: number;
  /** Positions that sessions began with. */
  readonly shared: number;
  readonly worst: number;
  /** What went wrong, in words; null where nothing did. */
  readonly wrong: string | null;
}

interface Session {
  readonly gpu: number;
  readonly cpu: number;
  /** All that it holds: what keys of its pages name. */
  readonly ids: number[];
}

/**
 * Sessions by chance on a GPU stage – chunks, decode steps, many in a step, roll-backs, ends, prefixes
 * that are shared and give way – each step held against the processor's in the same numerics, whose rows depend on nothing around them.
 */
export async function interleave(gpuFactory: StageFactory, seeds: readonly number[]) {
  const kvBytesMax = PAGES * kvPageBytes(SHAPE, { first: 0, last: SHAPE.layers - 1 }, 'float32');
  const gpu = await loadStage(gpuFactory, MODEL, { numerics: 'exact', kvBytesMax });
  const cpu = await loadStage(cpuStageFactory(await loadKernels()), MODEL, { numerics: 'exact' });
  const results: Interleaved[] = [];
  const known: number[][] = [];
  for (const seed of seeds) {
    results.push(await new Run({ gpu, cpu }, known, seededRandom(seed)).run());
  }
  gpu.dispose();
  cpu.dispose();
  return results;
}

class Run {
  readonly #gpu: Stage;
  readonly #cpu: Stage;
  readonly #random: Random;
  #sessions: Session[] = [];
  /** Whole pages that were kept once. */
  readonly #known: number[][];
  #seen = { steps: 0, rollBacks: 0, short: 0, shared: 0, worst: 0 };

  constructor(stages: { gpu: Stage; cpu: Stage }, known: number[][], random: Random) {
    this.#gpu = stages.gpu;
    this.#cpu = stages.cpu;
    this.#known = known;
    this.#random = random;
  }

  async run(): Promise<Interleaved> {
    for (let i = 0; i < ACTIONS; i += 1) {
      const wrong = await this.#act();
      if (wrong !== null) return { ...this.#seen, wrong };
    }
    for (const session of this.#sessions) this.#close(session);
    const left = this.#gpu.pagesMax - this.#gpu.pagesFree();
    return { ...this.#seen, wrong: left === 0 ? null : `${left} pages were left behind` };
  }

  async #act(): Promise<string | null> {
    const random = this.#random;
    const session = this.#sessions.length > 0 ? random.pick(this.#sessions) : null;
    if (session && random.chance(0.15)) {
      const length = random.below(this.#gpu.kvLength(session.gpu) + 1);
      this.#gpu.truncateKv(session.gpu, length);
      this.#cpu.truncateKv(session.cpu, length);
      session.ids.length = length;
      this.#seen.rollBacks += 1;
      return null;
    }
    if (session && random.chance(0.1)) {
      this.#sessions = this.#sessions.filter((other) => other !== session);
      this.#close(session);
      return null;
    }
    while (this.#sessions.length < SESSIONS_MAX && random.chance(0.5)) {
      this.#sessions.push(await this.#open());
    }
    return this.#step();
  }

  /** Half of them begin with what another one once computed, as far as it is still there. */
  async #open(): Promise<Session> {
    const [gpu, cpu] = [this.#gpu.openKv(), this.#cpu.openKv()];
    const known = this.#known.length > 0 && this.#random.chance(0.5);
    const ids = known ? this.#random.pick(this.#known) : [];
    const length = must(this.#gpu.prefixCache, 'a cache').share(gpu, this.#keysOf(ids));
    const shared = ids.slice(0, length);
    this.#seen.shared += length;
    const rows = { input: Int32Array.from(shared), want: { kind: 'none' } } as const;
    if (length > 0) await this.#cpu.step([segmentFor(this.#cpu, cpu, rows)]);
    return { gpu, cpu, ids: shared };
  }

  /** A key names all ids up to its page's end. */
  #keysOf(ids: readonly number[]): string[] {
    const { pagePositions } = this.#gpu;
    const pages = Math.floor(ids.length / pagePositions);
    return Array.from({ length: pages }, (_, i) => ids.slice(0, (i + 1) * pagePositions).join());
  }

  #keep({ gpu, ids }: Session): void {
    const keys = this.#keysOf(ids);
    if (keys.length === 0 || this.#random.chance(0.3)) return;
    must(this.#gpu.prefixCache, 'a cache').keep(gpu, 0, keys);
    this.#known.push(ids.slice(0, keys.length * this.#gpu.pagePositions));
  }

  /** One step of some sessions on both; a step that lacks pages changes nothing. */
  async #step(): Promise<string | null> {
    const inputs = this.#sessions
      .filter(() => this.#random.chance(0.6))
      .map((session) => ({ session, input: this.#ids(session) }))
      .filter(({ input }) => input.length > 0);
    if (inputs.length === 0) return null;
    const lengths = () => inputs.map(({ session }) => this.#gpu.kvLength(session.gpu)).join();
    const before = lengths();
    const segments = (of: 'gpu' | 'cpu'): Segment[] =>
      inputs.map(({ session, input }) => {
        const stage = of === 'gpu' ? this.#gpu : this.#cpu;
        return segmentFor(stage, session[of], { input, want: everyRow(stage) });
      });
    try {
      const given = await this.#gpu.step(segments('gpu'));
      this.#seen.steps += 1;
      const right = await this.#cpu.step(segments('cpu'));
      right.forEach((result, i) => this.#compare(given[i]?.logits, must(result.logits, 'logits')));
      for (const { session, input } of inputs) {
        session.ids.push(...input);
        this.#keep(session);
      }
    } catch (error) {
      if (!isFault(error, 'engine/no-pages')) throw error;
      this.#seen.short += 1;
      return lengths() === before ? null : 'a step that lacked pages changed a session';
    }
    return this.#seen.worst <= TOLERANCE ? null : `off by ${this.#seen.worst} of the largest`;
  }

  /** Mostly one row, else a chunk; none past the context. */
  #ids({ gpu }: Session): Int32Array {
    const random = this.#random;
    const rows = random.chance(0.6) ? 1 : 1 + random.below(48);
    const room = SHAPE.contextMax - this.#gpu.kvLength(gpu);
    return Int32Array.from({ length: Math.min(rows, room) }, () => random.below(SHAPE.vocab));
  }

  #compare(given: Float32Array | null | undefined, right: Float32Array): void {
    const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    right.forEach((value, i) => {
      const off = Math.abs(value - (given?.[i] ?? NaN)) / largest;
      this.#seen.worst = Math.max(this.#seen.worst, off);
    });
  }

  #close({ gpu, cpu }: Session): void {
    this.#gpu.closeKv(gpu);
    this.#cpu.closeKv(cpu);
  }
}
