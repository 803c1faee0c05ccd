import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import type { TensorType } from '#lib/webgpu/model.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { openModel, type Model } from '#tests/support/engine.ts';
import { WasmDecoder, wasmProduct } from '#tests/support/ort-wasm.ts';
import { expectClose, folderCases, ggufCases, rawBlocks } from '../engine/expected.ts';

/** The graphs that GPU stages run, on another implementation of the same operators. */
describe.each(['llama-tied', 'llama3-rope', 'llama-mha'])('%s', (name) => {
  let model: Model;
  let decoder: WasmDecoder;
  beforeAll(async () => {
    model = await openModel(goldenPath(`tiny/${name}`));
    decoder = await WasmDecoder.load(model);
  });
  afterAll(() => decoder.release());
  const cases = folderCases(name);

  it.each(cases)('[D3] logits after $ids.length ids', async (golden) => {
    const logits = await decoder.logits(golden.ids);
    const { vocab } = model.shape;
    golden.positions.forEach((position, i) => {
      const row = logits.subarray(position * vocab, (position + 1) * vocab);
      expectClose(row, golden.logits[i] ?? []);
    });
  });

  it('[D3] a prompt in chunks, the last of them again from where it began', async () => {
    const golden = cases.at(-1);
    const ids = golden?.ids ?? [];
    const cut = ids.length - 5;
    await decoder.logits(ids.slice(0, 7));
    await decoder.logits(ids.slice(7, cut), 7);
    await decoder.logits([3, 4, 5], cut);
    const logits = await decoder.logits(ids.slice(cut), cut);
    expect(golden?.positions.at(-1)).toBe(ids.length - 1);
    expectClose(logits.subarray(-model.shape.vocab), golden?.logits.at(-1) ?? []);
  });
});

describe.each(['tiny-f16', 'tiny-q8_0'])('%s', (name) => {
  it('[D3] last logits', async () => {
    const decoder = await WasmDecoder.load(await openModel(goldenPath(`gguf/${name}.gguf`)));
    for (const { ids, lastLogits } of ggufCases(name)) {
      const logits = await decoder.logits(ids);
      expectClose(logits.subarray(-lastLogits.length), lastLogits);
    }
    await decoder.release();
  });
});

/** Where a kernel is missing, ONNX Runtime computes in 32 bits and rounds: types and shapes are right. */
describe('in 16 bits', () => {
  it.each(['llama-tied', 'llama3-rope', 'llama-mha', 'mistral', 'qwen2', 'qwen3'])(
    '[D11] %s: logits within 1e-2 of the largest, in chunks, too',
    async (name) => {
      const model = await openModel(goldenPath(`tiny/${name}`));
      const decoder = await WasmDecoder.load(model, 'float16');
      const { vocab } = model.shape;
      const golden = must(folderCases(name)[2], 'a prompt of 33 ids');
      const cut = golden.ids.length - 5;
      const first = await decoder.logits(golden.ids.slice(0, cut));
      const rows = [...first, ...(await decoder.logits(golden.ids.slice(cut), cut))];
      golden.positions.forEach((position, i) => {
        const row = Float32Array.from(rows.slice(position * vocab, (position + 1) * vocab));
        expectClose(row, golden.logits[i] ?? [], 1e-2);
      });
      await decoder.release();
    },
  );

  it.each(['tiny-q4_0', 'tiny-q4_k_m', 'tiny-q8_0'])('[D11] %s', async (name) => {
    const model = await openModel(goldenPath(`gguf/${name}.gguf`));
    const decoders = [await WasmDecoder.load(model), await WasmDecoder.load(model, 'float16')];
    const [ids = []] = ggufCases(name).map((golden) => golden.ids);
    const [right, given] = await Promise.all(decoders.map((decoder) => decoder.logits(ids)));
    expectClose(must(given, 'logits'), [...must(right, 'logits')], 1e-2);
    await Promise.all(decoders.map((decoder) => decoder.release()));
  });
});

describe('a product with a matrix of', () => {
  const types = ['F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1'];
  const blocks = rawBlocks().filter(({ type }) => types.includes(type));

  it.each(blocks)('[D3] $type', async ({ type, rows, columns: cols, ...base64 }) => {
    const bytes = Uint8Array.from(Buffer.from(base64.rawBase64, 'base64'));
    const floats = Uint8Array.from(Buffer.from(base64.float32Base64, 'base64'));
    const weights = new Float32Array(floats.buffer);
    const x = Float32Array.from({ length: 3 * cols }, (_, i) => Math.sin(i * 0.7));
    const y = await wasmProduct({ type: type as TensorType, rows, cols, bytes }, x);
    const expected = Array.from({ length: 3 * rows }, (_, i) => {
      const [from, row] = [Math.floor(i / rows) * cols, (i % rows) * cols];
      return weights.subarray(row, row + cols).reduce((sum, w, k) => sum + w * (x[from + k] ?? 0), 0);
    });
    expectClose(y, expected);
  });

  it('[D3] every format', () => {
    expect(blocks.map(({ type }) => type).sort()).toEqual([...types].sort());
  });
});
