import { describe, expect, it } from 'vitest';
import { llama3FromFactors } from '#lib/shard/package/import/rope-factors.ts';
import { ropeFactors } from '#tests/golden/package/folder-to-gguf.ts';

const settings = (factor: number, [low, high]: readonly [number, number], context: number) => ({
  factor,
  low_freq_factor: low,
  high_freq_factor: high,
  original_max_position_embeddings: context,
});

describe('scaling behind rope_freqs.weight', () => {
  it.each([
    { name: 'Llama 3.1 8B', ropeTheta: 500_000, headDim: 128, s: settings(8, [1, 4], 8192) },
    { name: 'Llama 3.2 1B', ropeTheta: 500_000, headDim: 64, s: settings(32, [1, 4], 8192) },
    { name: 'another context', ropeTheta: 10_000, headDim: 96, s: settings(4, [1, 4], 4096) },
    { name: 'other bounds', ropeTheta: 500_000, headDim: 128, s: settings(16, [1, 32], 6000) },
  ])('[K3] is found exactly: $name', ({ ropeTheta, headDim, s }) => {
    const factors = ropeFactors(ropeTheta, headDim, s);
    expect(llama3FromFactors(factors, { ropeTheta, headDim })).toEqual({
      kind: 'llama3',
      factor: s.factor,
      lowFreqFactor: s.low_freq_factor,
      highFreqFactor: s.high_freq_factor,
      originalContext: s.original_max_position_embeddings,
    });
  });

  it('[K3] of equal settings the one with a low factor of 1', () => {
    const rope = { ropeTheta: 500_000, headDim: 128 };
    const doubled = ropeFactors(500_000, 128, settings(8, [2, 8], 16_384));
    expect(llama3FromFactors(doubled, rope)).toMatchObject({
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalContext: 8192,
    });
  });

  it('[K3] factors of 1 scale nothing', () => {
    const rope = { ropeTheta: 10_000, headDim: 8 };
    expect(llama3FromFactors(Float32Array.of(1, 1, 1, 1), rope)).toBeNull();
  });

  const rope = { ropeTheta: 500_000, headDim: 128 };
  const honest = () => ropeFactors(500_000, 128, settings(8, [1, 4], 8192));
  it.each([
    ['one factor off by a thousandth', () => honest().map((v, i) => (i === 30 ? v * 1.001 : v))],
    ['fast and slow exchanged', () => honest().reverse()],
    ['all alike', () => honest().fill(8)],
    ['less than 1', () => honest().fill(0.5)],
    ['zero', () => honest().fill(0)],
    ['no numbers', () => honest().fill(NaN)],
    ['infinite', () => honest().fill(Infinity)],
    ['negative', () => honest().map((value) => -value)],
  ])('[K3] refuses factors that are %s by name', (_what, factors) => {
    expect(() => llama3FromFactors(factors(), rope)).toThrow(
      expect.objectContaining({
        code: 'package/unsupported',
        message: expect.stringContaining('rope_freqs.weight') as string,
      }),
    );
  });
});
