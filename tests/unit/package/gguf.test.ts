import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gguf as peerRead } from '@huggingface/gguf';
import { FaultError } from '#lib/kernel/errors.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { parseGgufHeader } from '#lib/shard/package/import/gguf-header.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { readFile } from 'node:fs/promises';
import {
  ggufBytes,
  tinyFields,
  tinyTensors,
  TINY_DATA_BYTES,
  type GgufField,
  type GgufFile,
  type GgufTensorField,
} from './gguf-builder.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-gguf-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const tiny = (changes: GgufFile = {}): Uint8Array =>
  ggufBytes({
    fields: tinyFields(),
    tensors: tinyTensors(),
    dataBytes: TINY_DATA_BYTES,
    ...changes,
  });

const withField = (field: GgufField): GgufFile => ({
  fields: [...tinyFields().filter(([key]) => key !== field[0]), field],
});
const withTensor = (name: string, change: Partial<GgufTensorField>): GgufFile => ({
  tensors: tinyTensors().map((tensor) =>
    tensor.name === name ? { ...tensor, ...change } : tensor,
  ),
});

async function importBytes(bytes: Uint8Array) {
  const path = join(root, 'model.gguf');
  await writeFile(path, bytes);
  return importModel({ path, root: join(root, 'models'), id: 'tiny' as ModelId });
}

const U32 = 4;
const F32 = 6;
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;
const HUGE = 2n ** 60n;

describe('GGUF reader', () => {
  it('[K3] takes the honest file that the others are made of', async () => {
    const { manifest } = await importBytes(tiny());
    expect(manifest.shape).toMatchObject({ layers: 1, hidden: 32, headDim: 8, vocab: 7 });
    expect(manifest.shape.tiedEmbeddings).toBe(true);
    await rm(join(root, 'models'), { recursive: true });
  });

  const hostile: readonly (readonly [string, GgufFile])[] = [
    ['another magic', { magic: 'GGML' }],
    ['2^60 tensors', { tensorCount: HUGE }],
    ['2^60 keys', { keyCount: HUGE }],
    ['more tensors than bytes', { tensorCount: 60_000n, dataBytes: 0 }],
    ['a key twice', { fields: [...tinyFields(), ['llama.block_count', U32, 1]] }],
    ['an unknown value type', withField(['x', 99, 1])],
    ['a tensor twice', { tensors: [...tinyTensors(), ...tinyTensors().slice(0, 1)] }],
    ['a dimension of 2^60', withTensor('token_embd.weight', { dims: [32, HUGE] })],
    ['a dimension of zero', withTensor('token_embd.weight', { dims: [0, 7] })],
    ['an offset of 2^60', withTensor('token_embd.weight', { offset: HUGE })],
    ['an offset between alignments', withTensor('token_embd.weight', { offset: 1 })],
    ['a tensor over another', withTensor('blk.0.attn_q.weight', { offset: 0 })],
    ['a tensor beyond the file', withTensor('blk.0.attn_q.weight', { offset: 1 << 20 })],
    ['five dimensions', withTensor('token_embd.weight', { dims: [1, 1, 1, 1, 1] })],
    ['an embedding of another width', withTensor('token_embd.weight', { dims: [16, 7] })],
    ['alignment zero', withField(['general.alignment', U32, 0])],
    ['three query heads on two key heads', withField(['llama.attention.head_count', U32, 3])],
    ['2^31 layers', withField(['llama.block_count', U32, 2 ** 31])],
    ['an end token beyond the vocabulary', withField(['tokenizer.ggml.eos_token_id', U32, 7])],
    ['a number for the architecture', withField(['general.architecture', U32, 1])],
    ['a norm epsilon of text', withField(['llama.attention.layer_norm_rms_epsilon', STRING, '1'])],
    ['no token types', withField(['tokenizer.ggml.token_type', ARRAY, { of: U32, items: [] }])],
    [
      'a token twice',
      withField([
        'tokenizer.ggml.tokens',
        ARRAY,
        { of: STRING, items: ['a', 'a', 'c', 'd', 'e', 'f', 'g'] },
      ]),
    ],
    [
      'a merge of a token that is missing',
      withField(['tokenizer.ggml.merges', ARRAY, { of: STRING, items: ['a b', 'a z'] }]),
    ],
    [
      'a merge that makes no token',
      withField(['tokenizer.ggml.merges', ARRAY, { of: STRING, items: ['b a'] }]),
    ],
    [
      'a merge of one token',
      withField(['tokenizer.ggml.merges', ARRAY, { of: STRING, items: ['ab'] }]),
    ],
    ['a K-quant whose rows are no whole blocks', withTensor('token_embd.weight', { type: 12 })],
    ['a missing tensor', { tensors: tinyTensors().slice(0, -1) }],
  ];
  it.each(hostile)('[K3] refuses %s as malformed, writing nothing', async (_what, file) => {
    const error: unknown = await importBytes(tiny(file)).catch((reason: unknown) => reason);
    expect(codeOf(error)).toMatch(/^package\/(malformed|too-large)$/);
    expect(await writtenFiles()).toEqual([]);
  });

  const unsupported: readonly (readonly [string, GgufFile])[] = [
    ['version 1', { version: 1 }],
    ['architecture qwen2moe', withField(['general.architecture', STRING, 'qwen2moe'])],
    ['pre-tokenizer qwen35', withField(['tokenizer.ggml.pre', STRING, 'qwen35'])],
    ['tokenizer t5', withField(['tokenizer.ggml.model', STRING, 't5'])],
    ['scaling linear by 4', withField(['llama.rope.scaling.factor', F32, 4])],
    ['scaling linear by 2', withField(['llama.rope.scale_linear', F32, 2])],
    ['an attention factor of scaling', withField(['llama.rope.scaling.attn_factor', F32, 2])],
    ['later positions', withField(['llama.attention.causal', BOOL, false])],
    ['scaling yarn', withField(['llama.rope.scaling.type', STRING, 'yarn'])],
    ['mixture of experts', withField(['llama.expert_count', U32, 8])],
    ['ALiBi', withField(['llama.attention.max_alibi_bias', F32, 8])],
    ['soft-capped logits', withField(['llama.final_logit_softcapping', F32, 30])],
    ['sliding-window attention', withField(['llama.attention.sliding_window', U32, 63])],
    ['several files', withField(['split.count', U32, 2])],
    ['of type IQ4_XS', withTensor('token_embd.weight', { type: 23 })],
    ['of type number 77', withTensor('token_embd.weight', { type: 77 })],
    [
      'rope_freqs.weight',
      {
        tensors: [
          ...tinyTensors(),
          { name: 'rope_freqs.weight', dims: [4], type: 0, offset: TINY_DATA_BYTES },
        ],
        dataBytes: TINY_DATA_BYTES + 16,
      },
    ],
  ];
  it.each(unsupported)('[K3] refuses %s by name, writing nothing', async (what, file) => {
    const error: unknown = await importBytes(tiny(file)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'package/unsupported' });
    expect(String(error)).toContain(what.replace('scaling', 'RoPE scaling'));
    expect(await writtenFiles()).toEqual([]);
  });

  it.each([
    ['a value', 0, [0, 0, 0x80, 0x7f]],
    ['a half', 1, [0, 0x7c]],
    ['a scale', 8, [1, 0x7e]],
    ['a minimum', 3, [0, 0, 0, 0xfc]],
  ])('[K12] keeps no weights with %s that is no finite number', async (_what, type, odd) => {
    const name = 'blk.0.ffn_down.weight';
    const bytes = tiny(withTensor(name, { type }));
    const offset = tinyTensors().find((tensor) => tensor.name === name)?.offset;
    const at = bytes.length - TINY_DATA_BYTES + Number(offset);
    await importBytes(bytes);
    await rm(join(root, 'models'), { recursive: true });
    bytes.set(odd, at);
    const error: unknown = await importBytes(bytes).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'package/malformed' });
    expect(String(error)).toContain('mlp-down: a weight that is no finite number');
    expect((await writtenFiles()).filter((file) => file.includes('manifest'))).toEqual([]);
    await rm(join(root, 'models'), { recursive: true });
  });

  it('[K3] takes a window that is as long as the context', async () => {
    const { manifest } = await importBytes(
      tiny(withField(['llama.attention.sliding_window', U32, 64])),
    );
    expect(manifest.shape.contextMax).toBe(64);
    await rm(join(root, 'models'), { recursive: true });
  });

  it('[K3] refuses a file cut anywhere', async () => {
    const whole = tiny();
    for (let length = 0; length < whole.length; length += 97) {
      const error: unknown = await importBytes(whole.subarray(0, length)).catch((e: unknown) => e);
      expect(error, `cut at ${length}`).toMatchObject({ code: 'package/malformed' });
    }
    expect(await writtenFiles()).toEqual([]);
  });

  it('[K3] reads headers as the reader of Hugging Face does', async () => {
    for (const name of ['tiny-f16', 'tiny-q8_0', 'tiny-q4_0']) {
      const path = goldenPath(`gguf/${name}.gguf`);
      const ours = parseGgufHeader(await readFile(path));
      const theirs = await peerRead(path, { allowLocalFile: true });
      expect(ours.tensors).toEqual(
        theirs.tensorInfos.map((tensor) => ({
          name: tensor.name,
          type: tensor.dtype,
          dims: tensor.shape.map(Number),
          offset: Number(tensor.offset + theirs.tensorDataOffset),
        })),
      );
      const counts = new Set(['version', 'tensor_count', 'kv_count']);
      const metadata = Object.entries(theirs.metadata).filter(([key]) => !counts.has(key));
      expect([...ours.metadata]).toEqual(metadata);
    }
  });
});

const codeOf = (error: unknown): string =>
  error instanceof FaultError ? error.code : String(error);

/** Everything under the packages' folder. */
const writtenFiles = (): Promise<string[]> =>
  readdir(join(root, 'models'), { recursive: true }).catch(() => []);
