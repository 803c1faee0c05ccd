import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expNegative } from '#lib/webgpu/sampling/exp.ts';
import { philox } from '#lib/webgpu/sampling/philox.ts';
import { sample } from '#lib/webgpu/sampling/sample.ts';

const logits = fc
  .array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 300 })
  .map((values) => Float32Array.from(values, (value) => value / 4));
const params = fc.record({
  temperature: fc.double({ min: 0.05, max: 3, noNaN: true }),
  topK: fc.integer({ min: 0, max: 40 }),
  topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
  seed: fc.nat(2 ** 31 - 1),
  choice: fc.nat(3),
});

/** Likeliest first, ties to the lowest id: a full sort, which the sampler avoids. */
const ranked = (values: Float32Array): number[] =>
  [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);

/** The ids that top-k and then top-p leave, by the definition. */
function allowed(values: Float32Array, p: { temperature: number; topK: number; topP: number }) {
  const order = ranked(values);
  const kept = p.topK > 0 ? order.slice(0, p.topK) : order;
  const top = values[order[0] ?? 0] ?? 0;
  const weights = kept.map((id) => Math.exp(((values[id] ?? 0) - top) / p.temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const end = weights.findIndex((weight) => (sum += weight) >= p.topP * total * (1 - 1e-12));
  return new Set(p.topP < 1 ? kept.slice(0, end + 1) : kept);
}

describe('[S8] sampling', () => {
  it('is greedy at temperature 0, ties to the lowest id', () => {
    fc.assert(
      fc.property(logits, params, (values, p) => {
        const id = sample(values, { ...p, temperature: 0 }, { index: 0 });
        expect(id).toBe(ranked(values)[0]);
      }),
    );
  });

  it('draws only what top-k and top-p leave, and the same again', () => {
    fc.assert(
      fc.property(logits, params, fc.nat(1000), (values, p, index) => {
        const id = sample(values, p, { index });
        expect(allowed(values, p)).toContain(id);
        expect(sample(values, p, { index })).toBe(id);
      }),
    );
  });

  it('draws each id as often as its probability says', () => {
    const values = Float32Array.of(Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05));
    const counts = [0, 0, 0, 0];
    const draws = 20_000;
    for (let index = 0; index < draws; index += 1) {
      const p = { temperature: 1, topK: 0, topP: 1, seed: 42, choice: 1 };
      const id = sample(values, p, { index });
      counts[id] = (counts[id] ?? 0) + 1;
    }
    const expected = [0.5, 0.3, 0.15, 0.05].map((share) => share * draws);
    const chi2 = counts.reduce((sum, n, i) => {
      const e = expected[i] ?? 1;
      return sum + (n - e) ** 2 / e;
    }, 0);
    expect(chi2).toBeLessThan(16.27); // 3 degrees of freedom, one in a thousand
  });

  it('separates seeds, choices and indices', () => {
    const values = new Float32Array(1000);
    const draw = (seed: number, choice: number, index: number) =>
      sample(values, { temperature: 1, topK: 0, topP: 1, seed, choice }, { index });
    const base = draw(1, 0, 0);
    expect([draw(2, 0, 0), draw(1, 1, 0), draw(1, 0, 1), draw(1 + 2 ** 40, 0, 0)]).not.toContain(
      base,
    );
  });

  it('computes e^x for x ≤ 0 to the last bits', () => {
    fc.assert(
      fc.property(fc.double({ min: -59, max: 0, noNaN: true }), (x) => {
        expect(Math.abs(expNegative(x) / Math.exp(x) - 1)).toBeLessThan(1e-15);
      }),
    );
  });

  it('is Philox-4×32-10 with the published vectors', () => {
    expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    const ones = 0xffffffff;
    expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([
      0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
    ]);
  });
});
