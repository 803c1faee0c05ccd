import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expNegative } from '#lib/webgpu/sampling/exp.ts';
import { philox } from '#lib/webgpu/sampling/philox.ts';
import { GREEDY, NO_HISTORY, type SamplingParams } from '#lib/webgpu/sampling/params.ts';
import { sample } from '#lib/webgpu/sampling/sample.ts';
import { sampledRows } from '#tests/support/sampled.ts';
import { logits, mask, params, point } from '#tests/support/sampling-cases.ts';
import {
  distributionOf,
  drawSlowly,
  penalisedSlowly,
  ranked,
  type Candidate,
} from '#tests/support/sampling-oracle.ts';

/** A point of an answer that nothing was said before. */
const at = (index: number) => ({ index, history: NO_HISTORY });

const DRAWS = 20_000;
/** Bins that expect fewer draws are counted together: χ² is a poor guess of them. */
const EXPECTED_MIN = 5;

/** Logits without ties, spread as a model's: a few far ahead, hundreds behind. */
const fixed = Float32Array.from(
  { length: 400 },
  (_, id) => 4 * Math.sin(1.7 * id) + 3 * Math.cos(0.31 * id * id),
);
const settings = sampledRows();

/** What a setting may draw, greedy ones too. */
function sharesOf(params: SamplingParams): Candidate[] {
  const logits = penalisedSlowly(fixed, params, NO_HISTORY);
  if (params.temperature > 0) return distributionOf(logits, params);
  return [{ id: ranked(logits)[0] ?? 0, probability: 1 }];
}

/** χ² of draws against shares, over the critical value of one in 10 000; ids outside: infinite. */
function misfit(draws: readonly number[], shares: readonly Candidate[]): number {
  const counts = new Map<number, number>();
  for (const id of draws) counts.set(id, (counts.get(id) ?? 0) + 1);
  const seen = (id: number): number => counts.get(id) ?? 0;
  if (shares.reduce((sum, { id }) => sum + seen(id), 0) < draws.length) return Infinity;
  const expected = ({ probability }: Candidate): number => probability * draws.length;
  const likely = shares.filter((share) => expected(share) >= EXPECTED_MIN);
  const rest = shares.filter((share) => expected(share) < EXPECTED_MIN);
  const bins = [...likely.map((share) => [share]), ...(rest.length > 0 ? [rest] : [])];
  const chi2 = bins.reduce((sum, bin) => {
    const n = bin.reduce((all, { id }) => all + seen(id), 0);
    const e = bin.reduce((all, share) => all + expected(share), 0);
    return sum + (n - e) ** 2 / e;
  }, 0);
  return bins.length === 1 ? 0 : chi2 / criticalValue(bins.length - 1);
}

/** Of χ² at 1 in 10 000, by Wilson and Hilferty's cube. */
const criticalValue = (df: number): number =>
  df * (1 - 2 / (9 * df) + 3.719 * Math.sqrt(2 / (9 * df))) ** 3;

describe('[S8] sampling', () => {
  it('is greedy at temperature 0, ties to the lowest id', () => {
    fc.assert(
      fc.property(logits, params, (values, p) => {
        const id = sample(values, { ...p, temperature: 0, penalties: null }, at(0));
        expect(id).toBe(ranked(values)[0]);
      }),
    );
  });

  it('draws what the definition draws, and the same again', () => {
    fc.assert(
      fc.property(logits, params, point, (values, p, point) => {
        const id = sample(values.slice(), p, point);
        expect(id).toBe(drawSlowly(values, p, point));
        expect(sample(values.slice(), p, point)).toBe(id);
      }),
      { numRuns: 1_000 },
    );
  });

  it('draws what is allowed as if there were nothing else', () => {
    fc.assert(
      fc.property(logits, params, fc.tuple(point, mask, fc.boolean()), (values, p, drawn) => {
        const [point, allowed, isGreedy] = drawn;
        const settings = isGreedy ? { ...p, temperature: 0 } : p;
        const id = sample(values.slice(), settings, { ...point, allowed });
        expect(id).toBe(drawSlowly(values, settings, { ...point, allowed }));
        expect((allowed[id >>> 5]! >>> (id & 31)) & 1).toBe(1);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each(settings)('20 000 tokens of one answer pass χ²: $name', ({ params: p }) => {
    const draws = Array.from({ length: DRAWS }, (_, index) => sample(fixed.slice(), p, at(index)));
    expect(misfit(draws, sharesOf(p))).toBeLessThan(1);
  });

  it('20 000 seeds of one token pass χ²', () => {
    const p = { ...GREEDY, temperature: 1.2, topK: 50, topP: 0.95 };
    const draws = Array.from({ length: DRAWS }, (_, seed) => sample(fixed, { ...p, seed }, at(3)));
    expect(misfit(draws, sharesOf({ ...p, seed: 0 }))).toBeLessThan(1);
  });

  it('that χ² finds a temperature 10 % off, a top-p 2 % off and one id too many', () => {
    const p = { ...GREEDY, temperature: 0.7, topK: 40, seed: 1 };
    const draws = Array.from({ length: DRAWS }, (_, index) => sample(fixed, p, at(index)));
    const against = (other: Partial<SamplingParams>) => misfit(draws, sharesOf({ ...p, ...other }));
    expect(against({})).toBeLessThan(1);
    expect(against({ temperature: 0.77 })).toBeGreaterThan(1);
    expect(against({ topP: 0.98 })).toBeGreaterThan(1);
    expect(against({ topK: 39 })).toBeGreaterThan(1);
  });

  it('separates seeds, choices and indices', () => {
    const values = new Float32Array(1000);
    const draw = (seed: number, choice: number, index: number) =>
      sample(values, { ...GREEDY, temperature: 1, seed, choice }, at(index));
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
