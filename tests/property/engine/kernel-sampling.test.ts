import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Arena } from '#lib/webgpu/cpu/arena.ts';
import { KernelSampler } from '#lib/webgpu/cpu/kernel-sampler.ts';
import { instantiateKernels } from '#lib/webgpu/cpu/kernels.ts';
import { CPU_LIMITS } from '#lib/webgpu/cpu/limits.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { chooseAt } from '#lib/webgpu/choose.ts';
import { GREEDY, NO_HISTORY, type SamplingParams } from '#lib/webgpu/sampling/params.ts';
import type { SamplePoint } from '#lib/webgpu/sampling/sample.ts';
import { sampledRows } from '#tests/support/sampled.ts';
import { logits, mask, params, point } from '#tests/support/sampling-cases.ts';

let module: WebAssembly.Module;
beforeAll(async () => {
  module = await loadKernels();
});

/** One sampler a vocabulary; the row lies where a step leaves it: on no border but a float's. */
class Sampled {
  readonly #arena: Arena;
  readonly #sampler: KernelSampler;
  readonly #row: number;
  readonly #vocab: number;

  private constructor(arena: Arena, sampler: KernelSampler, vocab: number) {
    this.#arena = arena;
    this.#sampler = sampler;
    this.#row = arena.allocate(4 * (vocab + 1)) + 4;
    this.#vocab = vocab;
  }

  static async of(vocab: number): Promise<Sampled> {
    const kernels = await instantiateKernels(module);
    const arena = new Arena(kernels.memory, kernels.heapBase());
    return new Sampled(arena, new KernelSampler(kernels, arena, vocab), vocab);
  }

  /** What the kernels choose and what they leave of the logits, and the same of `chooseAt`. */
  both(values: Float32Array, params: SamplingParams, point: SamplePoint) {
    const row = this.#arena.floatsAt(this.#row, this.#vocab);
    row.set(values);
    const actual = this.#sampler.chooseAt(this.#row, params, point);
    const expected = values.slice();
    const chosen = chooseAt(expected, params, point);
    return { actual: [actual, [...row]], expected: [chosen, [...expected]] };
  }
}

/** A model's vocabulary: logits with a few ids far ahead, some forbidden, many equal. */
const VOCAB = 49_152;
const many = (seed: number): Float32Array =>
  Float32Array.from({ length: VOCAB }, (_, id) => {
    if ((id * 7 + seed) % 31 === 0) return -Infinity;
    return Math.round(64 * (4 * Math.sin(1.7 * id + seed) + 3 * Math.cos(0.31 * id * id))) / 64;
  });

describe('the kernels’ sampler beside the plain one', () => {
  it('[S8] equal ids and logits of any row, setting, history and grammar', async () => {
    const samplers = new Map<number, Sampled>();
    const places = fc.tuple(point, fc.option(mask)).map(([at, allowed]) => {
      return allowed ? { ...at, allowed } : at;
    });
    await fc.assert(
      fc.asyncProperty(logits, params, places, async (values, settings, at) => {
        const vocab = values.length;
        const sampler = samplers.get(vocab) ?? (await Sampled.of(vocab));
        samplers.set(vocab, sampler);
        const { actual, expected } = sampler.both(values, settings, at);
        expect(actual).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('[S8] of a whole vocabulary, in every setting, with and without log probabilities', async () => {
    const sampler = await Sampled.of(VOCAB);
    const plain = { ...GREEDY, temperature: 0.8, seed: 11 };
    const all = [
      ...sampledRows().map((row) => row.params),
      plain,
      { ...plain, logprobs: 3 },
      { ...plain, topP: 0.999 },
    ];
    all.forEach((settings, index) => {
      const at = { index, history: NO_HISTORY };
      const { actual, expected } = sampler.both(many(index), settings, at);
      expect(actual).toEqual(expected);
    });
  });

  it('[S8] a history longer than what is written at a time', async () => {
    const sampler = await Sampled.of(VOCAB);
    const answerIds = Array.from({ length: 3000 }, (_, i) => (i * i) % VOCAB);
    expect(new Set(answerIds).size).toBeGreaterThan(CPU_LIMITS.changedIdsMax);
    const penalties = { repetition: 1.3, presence: 0.4, frequency: 0.2, bias: [] };
    const settings = { ...GREEDY, temperature: 0.7, topK: 50, penalties };
    const at = { index: 5, history: { promptIds: [1, 2, 3], answerIds } };
    const { actual, expected } = sampler.both(many(1), settings, at);
    expect(actual).toEqual(expected);
  });

  it('[S8] nothing but forbidden ids, nothing but equal ones', async () => {
    const sampler = await Sampled.of(9);
    for (const value of [-Infinity, 0, -3.5]) {
      for (const settings of [GREEDY, { ...GREEDY, temperature: 1, seed: 3 }]) {
        const row = new Float32Array(9).fill(value);
        const { actual, expected } = sampler.both(row, settings, { index: 0, history: NO_HISTORY });
        expect(actual).toEqual(expected);
      }
    }
  });
});
