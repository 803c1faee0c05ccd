import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { sha256Hex } from '#lib/kernel/digest.ts';
import { must } from '#lib/kernel/assert.ts';
import { readPieces, type ByteFile } from '#lib/shard/package/import/byte-file.ts';
import { convertPieces } from '#lib/shard/package/import/convert.ts';
import { decodeBlocks } from '#lib/shard/package/import/decode-blocks.ts';
import { encodeBlocks } from '#lib/shard/package/import/encode-blocks.ts';
import { halfBits, halfValue } from '#lib/shard/package/import/half.ts';
import { LossMeter } from '#lib/shard/package/import/losses.ts';
import { QUANTS, storedType } from '#lib/shard/package/import/quant.ts';
import { bestQ8Scale, plainQ8Scale, putQ8 } from '#lib/shard/package/import/q8-scale.ts';
import { repackBlocks } from '#lib/shard/package/import/repack-blocks.ts';
import { SOURCE_BLOCK, type SourceType } from '#lib/shard/package/import/source-types.ts';
import { IMPORT } from '#lib/shard/package/limits.ts';
import { goldenPath } from '#tests/support/golden.ts';

const golden = z
  .array(z.object({ type: z.string(), rawBase64: z.string(), float32Base64: z.string() }))
  .parse(JSON.parse(readFileSync(goldenPath('gguf/blocks.json'), 'utf8')));
const goldenBlock = (type: string) =>
  must(
    golden.find((block) => block.type === type),
    type,
  );
const rawOf = (type: string) => new Uint8Array(Buffer.from(goldenBlock(type).rawBase64, 'base64'));
const valuesOf = (type: string) => {
  const bytes = new Uint8Array(Buffer.from(goldenBlock(type).float32Base64, 'base64'));
  return new Float32Array(bytes.buffer);
};

describe('F16', () => {
  it('[K12] every value has its own bits', () => {
    for (let bits = 0; bits < 65_536; bits += 1) {
      const value = halfValue(bits);
      if (!Number.isNaN(value)) expect(halfBits(value)).toBe(bits);
    }
    expect(halfValue(halfBits(NaN))).toBeNaN();
  });

  it('[K12] is the nearest, of two as near the even one', () => {
    for (let bits = 0; bits < 0x7bff; bits += 1) {
      const [below, above] = [halfValue(bits), halfValue(bits + 1)];
      const middle = (below + above) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      // A double is far finer than either: these would tell if it were rounded twice.
      const little = (above - below) * 2 ** -30;
      expect([middle - little, middle, middle + little].map(halfBits)).toEqual([
        bits,
        even,
        bits + 1,
      ]);
    }
    expect([65_519.99, 65_520, -65_520].map(halfBits)).toEqual([0x7bff, 0x7c00, 0xfc00]);
  });
});

describe('formats that are written', () => {
  const float32 = fc.float({ noNaN: true, min: -1000, max: 1000 });
  const block = fc
    .array(float32, { minLength: 32, maxLength: 32 })
    .map((v) => Float32Array.from(v));

  it.each(['Q8_0', 'Q4_1'] as const)('[K12] %s is off by at most half a step', (type) => {
    const steps = type === 'Q8_0' ? 127 : 15;
    fc.assert(
      fc.property(block, (values) => {
        const stored = decodeBlocks(type, encodeBlocks(type, values));
        const [min, max] = [Math.min(...values), Math.max(...values)];
        const range = type === 'Q8_0' ? Math.max(-min, max) : max - min;
        // F16 rounds scale and offset: 2⁻¹¹ of the largest value each, 2⁻²⁵ near 0.
        const rounded = 2 ** -11 * Math.max(-min, max, range) * 2 + steps * 2 ** -24;
        for (const [i, value] of values.entries()) {
          expect(Math.abs(value - (stored[i] ?? NaN))).toBeLessThanOrEqual(
            range / steps / 2 + rounded,
          );
        }
      }),
    );
  });

  it('[K2] the same values give the same bytes on every machine', () => {
    const values = valuesOf('Q6_K');
    const digests = (['F32', 'F16', 'Q8_0', 'Q4_1'] as const).map((type) =>
      sha256Hex(encodeBlocks(type, values)).slice(0, 16),
    );
    expect(digests).toEqual(DIGESTS);
  });
});
const DIGESTS = ['1ed2d40b3363ab15', '3b978c2b0501afb6', '0fee47a9ff486d2a', 'adaf36c24e2b0de5'];

describe('formats of the same form', () => {
  it.each([
    ['Q4_K', 'Q4_1'],
    ['Q5_K', 'Q5_1'],
  ] as const)('[K12] %s as %s: only scales and offsets are rounded', (from, to) => {
    const values = valuesOf(from);
    const stored = decodeBlocks(to, repackBlocks(from, to, rawOf(from)));
    for (let at = 0; at < values.length; at += 32) {
      const run = values.subarray(at, at + 32);
      const largest = Math.max(...run.map(Math.abs));
      const reach = largest + Math.max(...run) - Math.min(...run);
      for (const [i, value] of run.entries()) {
        expect(Math.abs(value - (stored[at + i] ?? NaN))).toBeLessThanOrEqual(2 ** -10 * reach);
      }
    }
  });

  it('[K12] Q4_0 as Q4_1 loses nothing', () => {
    const stored = decodeBlocks('Q4_1', repackBlocks('Q4_0', 'Q4_1', rawOf('Q4_0')));
    expect(stored).toEqual(valuesOf('Q4_0').map((value) => value + 0));
  });

  it('[K12] Q6_K as Q8_0 loses less than by the plain scale, never more', () => {
    const [values, raw] = [valuesOf('Q6_K'), rawOf('Q6_K')];
    const stored = decodeBlocks('Q8_0', repackBlocks('Q6_K', 'Q8_0', raw));
    const plain = decodeBlocks('Q8_0', encodeBlocks('Q8_0', values));
    const errorOf = (got: Float32Array) =>
      values.reduce((sum, value, i) => sum + (value - (got[i] ?? NaN)) ** 2, 0);
    expect(Math.sqrt(errorOf(stored) / errorOf(plain))).toBeLessThan(0.8);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -31, max: 31 }), { minLength: 32, maxLength: 32 }),
        (q) => {
          const steps = [0.01, 0.003];
          const block = Float32Array.from(q, (n, i) => n * must(steps[i >> 4], 'a step'));
          const errors = [bestQ8Scale(block, steps), plainQ8Scale(block)].map((bits) => {
            const bytes = new Uint8Array(34);
            putQ8({ bytes, at: 0 }, block, bits);
            const got = decodeBlocks('Q8_0', bytes);
            return block.reduce((sum, value, i) => sum + (value - (got[i] ?? NaN)) ** 2, 0);
          });
          expect(errors[0]).toBeLessThanOrEqual(must(errors[1], 'plain'));
        },
      ),
    );
  });
});

describe('conversion', () => {
  const all = Object.keys(SOURCE_BLOCK) as SourceType[];
  const matrix = (type: SourceType) => ({ type, rows: 2, cols: 256 });

  it('[K12] stores every format as it was asked to', () => {
    const stored = Object.fromEntries(
      QUANTS.map((quant) => [quant, all.map((type) => storedType(matrix(type), quant)).join()]),
    );
    expect(stored).toEqual({
      keep: 'F32,F16,Q8_0,Q4_0,Q4_1,BF16,Q5_0,Q5_1,Q4_1,Q5_1,Q8_0',
      f32: all.map(() => 'F32').join(),
      f16: all.map(() => 'F16').join(),
      q8: all.map(() => 'Q8_0').join(),
      q4: all.map(() => 'Q4_1').join(),
    });
  });

  it('[K12] leaves vectors and rows of no whole blocks as they are', () => {
    for (const quant of QUANTS) {
      expect(storedType({ type: 'BF16', rows: 1, cols: 64 }, quant)).toBe('F32');
      expect(storedType({ type: 'F32', rows: 1, cols: 64 }, quant)).toBe('F32');
    }
    expect(storedType({ type: 'F16', rows: 1, cols: 64 }, 'keep')).toBe('F16');
    expect(storedType({ type: 'F16', rows: 1, cols: 64 }, 'q4')).toBe('F32');
    expect(storedType({ type: 'BF16', rows: 9, cols: 40 }, 'q8')).toBe('BF16');
    expect(storedType({ type: 'BF16', rows: 9, cols: 40 }, 'f16')).toBe('F16');
  });

  const nothing = (): void => undefined;
  async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(bytes);
  }

  it('[K12] works in slices, however large a piece', async () => {
    const piece = new Uint8Array(8192 * SOURCE_BLOCK.Q4_K.bytes);
    const conversion = { from: 'Q4_K', to: 'F32', onConverted: nothing } as const;
    const sizes: number[] = [];
    for await (const slice of convertPieces(onePiece(piece), conversion)) sizes.push(slice.length);
    expect(Math.max(...sizes)).toBe(4 * IMPORT.convertValues);
    expect(sizes.reduce((a, b) => a + b)).toBe(8192 * 256 * 4);
  });

  it('[K12] reads a tensor of any size in pieces of whole rows', async () => {
    const lengths: number[] = [];
    const read = (_offset: number, length: number) => {
      lengths.push(length);
      return Promise.resolve(new Uint8Array(0));
    };
    const file = {
      name: 'x',
      size: 2 ** 50,
      read,
      close: () => Promise.resolve(),
    } satisfies ByteFile;
    // 9 GB in rows of 100 000 bytes.
    const reading = { offset: 0, length: 9e9, unit: 100_000 };
    for await (const piece of readPieces(file, reading)) expect(piece.length).toBe(0);
    expect(lengths.reduce((a, b) => a + b)).toBe(9e9);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(IMPORT.readBytes);
    expect(lengths.filter((length) => length % 100_000 !== 0)).toEqual([]);
  });

  it.each([NaN, Infinity, 1e6])('[K12] refuses %d, which F16 cannot hold', async (value) => {
    const meter = new LossMeter();
    const what = { tensor: 'attn-q', from: 'F32', to: 'F16' } as const;
    const conversion = {
      ...what,
      onConverted: (values: Float32Array, stored: Float32Array) => {
        meter.add(what, values, stored);
      },
    };
    const bytes = new Uint8Array(Float32Array.of(1, value).buffer);
    const convert = async () => {
      for await (const slice of convertPieces(onePiece(bytes), conversion)) {
        expect(slice.length).toBeGreaterThan(0);
      }
    };
    await expect(convert()).rejects.toMatchObject({ code: 'package/malformed' });
  });

  it('[K12] adds up the loss of tensors of one kind', () => {
    const meter = new LossMeter();
    expect(meter.report()).toEqual({ tensors: [], relativeRms: 0 });
    const head = { tensor: 'head', from: 'F32', to: 'F16' } as const;
    meter.add(head, Float32Array.of(3, 4), Float32Array.of(3, 3.5));
    meter.add(head, Float32Array.of(0), Float32Array.of(0));
    meter.add({ ...head, tensor: 'attn-q' }, Float32Array.of(5), Float32Array.of(5));
    const { tensors, relativeRms } = meter.report();
    expect(tensors.map((loss) => [loss.tensor, loss.relativeRms])).toEqual([
      ['head', 0.1],
      ['attn-q', 0],
    ]);
    expect(relativeRms).toBeCloseTo(0.5 / Math.sqrt(50), 12);
  });
});
