import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSource } from '#lib/shard/package/import/open-source.ts';
import { SOURCE_BLOCK, type SourceType } from '#lib/shard/package/import/source-types.ts';
import { ggufBytes, tinyFields, type GgufTensorField } from './gguf-builder.ts';

/** ggml's numbers (ggml.h). */
const NUMBER: Readonly<Record<SourceType, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  BF16: 30,
};
const FORMATS = Object.entries(NUMBER) as [SourceType, number][];

const HIDDEN = 256;
const VOCAB = 7;
/** All but the embedding, which is the format's and comes last. */
const OTHERS: readonly (readonly [name: string, dims: readonly number[]])[] = [
  ['output_norm.weight', [HIDDEN]],
  ['blk.0.attn_norm.weight', [HIDDEN]],
  ['blk.0.attn_q.weight', [HIDDEN, 8]],
  ['blk.0.attn_k.weight', [HIDDEN, 4]],
  ['blk.0.attn_v.weight', [HIDDEN, 4]],
  ['blk.0.attn_output.weight', [8, HIDDEN]],
  ['blk.0.ffn_norm.weight', [HIDDEN]],
  ['blk.0.ffn_gate.weight', [HIDDEN, 8]],
  ['blk.0.ffn_up.weight', [HIDDEN, 8]],
  ['blk.0.ffn_down.weight', [8, HIDDEN]],
];

/** A one-layer llama whose embedding is stored in ggml's format `type`. */
function fileWith(
  type: number,
  { bytes, dims = [HIDDEN, VOCAB] }: { bytes: number; dims?: readonly number[] },
): Uint8Array<ArrayBuffer> {
  const sizes = new Map([
    ['llama.embedding_length', HIDDEN],
    ['llama.feed_forward_length', 8],
  ]);
  let offset = 0;
  const tensors = OTHERS.map(([name, shape]): GgufTensorField => {
    const tensor = { name, dims: shape, type: 0, offset };
    offset += 4 * shape.reduce((product, dim) => product * dim, 1);
    return tensor;
  });
  return ggufBytes({
    fields: [
      ...tinyFields().map(([key, kind, value]) => [key, kind, sizes.get(key) ?? value] as const),
      ['llama.attention.key_length', 4, 2],
    ],
    tensors: [...tensors, { name: 'token_embd.weight', dims, type, offset }],
    dataBytes: offset + bytes,
  });
}

let path = '';
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-formats-'));
  path = join(root, 'model.gguf');
});
afterAll(() => rm(root, { recursive: true, force: true }));

const open = async (): Promise<SourceType> => {
  const source = await openSource(path);
  await source.close();
  return source.parts[0]?.tensors[0]?.type ?? 'F32';
};

describe.each(FORMATS)('C7 a file with weights in %s', (type, number) => {
  const block = SOURCE_BLOCK[type];
  const bytes = ((HIDDEN * VOCAB) / block.values) * block.bytes;

  it('[K3] is refused when cut at any block, and taken whole', async () => {
    const file = fileWith(number, { bytes });
    await writeFile(path, file);
    const kept = { Q4_K: 'Q4_1', Q5_K: 'Q5_1', Q6_K: 'Q8_0' } as const;
    expect(await open()).toBe(type in kept ? kept[type as keyof typeof kept] : type);
    // Plain formats have 1 792 blocks: every 32nd is enough.
    const step = block.values === 1 ? 32 * block.bytes : block.bytes;
    for (let left = bytes - step; left >= 0; left -= step) {
      await truncate(path, file.length - bytes + left);
      await expect(open()).rejects.toMatchObject({
        code: 'package/malformed',
        message: 'tensor token_embd.weight ends beyond the file',
      });
    }
  });

  it('[K3] is refused when its counts overflow', async () => {
    for (const dims of [
      [2 ** 20, 2 ** 20],
      [2 ** 20, 2 ** 32],
      [HIDDEN, 2 ** 52],
      [2 ** 32, VOCAB],
      [HIDDEN, VOCAB, 2 ** 31],
      [HIDDEN, VOCAB + 1],
    ]) {
      await writeFile(path, fileWith(number, { bytes, dims }));
      await expect(open()).rejects.toMatchObject({ code: 'package/malformed' });
    }
  });

  it('[K3] is refused where rows are no whole blocks', async () => {
    await writeFile(path, fileWith(number, { bytes, dims: [HIDDEN - 1, VOCAB] }));
    await expect(open()).rejects.toMatchObject({ code: 'package/malformed' });
  });
});

/** Other numbers: those that ggml has, had, and has not. */
it.each([4, 5, 9, 10, 11, 15, 16, 29, 34, 39, 40, 255, 2 ** 32 - 1])(
  '[K3] format number %d is refused by name',
  async (number) => {
    await writeFile(path, fileWith(number, { bytes: 0 }));
    await expect(open()).rejects.toMatchObject({
      code: 'package/unsupported',
      message: expect.stringMatching(/token_embd\.weight is of type/) as string,
    });
  },
);
