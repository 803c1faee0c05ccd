import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { decodeBlocks } from '#lib/shard/package/import/decode-blocks.ts';
import { openSource } from '#lib/shard/package/import/open-source.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { tokenizerOf } from '#tests/golden/package/tokenizer-of.ts';
import { u64 } from './gguf-builder.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'declai-hf-'));
  await cp(goldenPath('tiny/llama-mha'), folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = async () => {
  const source = await openSource(folder);
  await source.close();
  return source;
};
const fault = () => open().catch((reason: unknown) => reason);

const LLAMA3 = {
  type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};

type Vocab = Record<string, number>;
const without = (vocab: Vocab, token: string): Vocab =>
  Object.fromEntries(Object.entries(vocab).filter(([text]) => text !== token));

async function edit(name: string, change: Record<string, unknown>): Promise<void> {
  const path = join(folder, name);
  const json: unknown = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...(json as object), ...change }));
}

describe('Hugging Face folder', () => {
  it('[K3] reads shape and tokens', async () => {
    const { shape, tokenizer, chatTemplate } = await open();
    expect(shape).toMatchObject({ layers: 3, hidden: 64, headDim: 16, ropeTheta: 100_000 });
    expect(tokenizer).toMatchObject({ bosId: 1, addBos: false, eosIds: [2] });
    expect(chatTemplate).toContain('im_start');
  });

  it('[K3] takes the old style of RoPE settings for the same model', async () => {
    const { shape } = await open();
    await edit('config.json', {
      rope_parameters: undefined,
      rope_theta: 100_000,
      rope_scaling: null,
    });
    expect((await open()).shape).toEqual(shape);
    await edit('config.json', {
      rope_scaling: LLAMA3,
    });
    expect((await open()).shape.ropeScaling).toEqual({
      kind: 'llama3',
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalContext: 64,
    });
  });

  it.each([
    ['mistral', { kind: 'llama', heads: 4, headDim: 32, tiedEmbeddings: false }],
    ['qwen2', { kind: 'qwen2', heads: 4, headDim: 16, tiedEmbeddings: true }],
    ['qwen3', { kind: 'qwen3', heads: 4, headDim: 32, tiedEmbeddings: false }],
  ])('[K3] reads %s', async (name, shape) => {
    await rm(folder, { recursive: true });
    await cp(goldenPath(`tiny/${name}`), folder, { recursive: true });
    expect((await open()).shape).toMatchObject(shape);
  });

  it.each(['mixtral', 'qwen2_moe', 'gemma3'])('[K3] refuses %s by name', async (name) => {
    // Only what every configuration has: it must not be refused for a field it lacks.
    await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: name }));
    expect(await fault()).toMatchObject({ code: 'package/unsupported' });
    expect(String(await fault())).toContain(`architecture ${name}`);
  });

  it('[K3] takes a window that is as long as the context, or is not used', async () => {
    const { shape } = await open();
    for (const change of [
      { model_type: 'mistral', sliding_window: 512 },
      { model_type: 'llama', sliding_window: 256, use_sliding_window: false },
      { sliding_window: 256, layer_types: ['full_attention'], use_sliding_window: true },
    ]) {
      await edit('config.json', change);
      expect((await open()).shape).toEqual(shape);
    }
  });

  it.each([
    [{ attention_bias: true }, 'biases'],
    [{ hidden_act: 'gelu' }, 'activation gelu'],
    [{ quantization_config: { bits: 4 } }, 'quantised'],
    [{ model_type: 'mistral', sliding_window: 511 }, 'sliding-window attention over 511 of 512'],
    [{ sliding_window: 64, use_sliding_window: true }, 'sliding-window attention over 64'],
    [{ layer_types: ['full_attention', 'sliding_attention'] }, 'layers of sliding_attention'],
    [{ rope_parameters: { rope_type: 'yarn' } }, 'RoPE scaling yarn'],
    [{ rope_parameters: { partial_rotary_factor: 0.5 } }, 'part of a head'],
    [{ partial_rotary_factor: 0.5 }, 'part of a head'],
    [{ rope_scaling: { type: 'linear', factor: 2 } }, 'RoPE scaling linear'],
    [{ rope_scaling: LLAMA3 }, 'differs from rope_parameters'],
  ])('[K3] refuses %o by name', async (change, words) => {
    await edit('config.json', change);
    expect(await fault()).toMatchObject({ code: 'package/unsupported' });
    expect(String(await fault())).toContain(words);
  });

  it.each([
    [{ num_hidden_layers: 2 ** 60 }],
    [{ hidden_size: 0 }],
    [{ vocab_size: 513 }],
    [{ num_key_value_heads: 3 }],
    [{ rms_norm_eps: 'small' }],
    [{ rope_parameters: { rope_type: 'llama3', factor: 8 } }],
    [{ head_dim: 15 }],
  ])('[K3] refuses %o as malformed', async (change) => {
    await edit('config.json', change);
    expect(await fault()).toMatchObject({ code: 'package/malformed' });
  });

  it.each([
    ['two tokens of one id', (vocab: Vocab) => ({ ...vocab, '!': vocab['#'] ?? 0 }), 'two tokens'],
    ['a token beyond the vocabulary', (vocab: Vocab) => ({ ...vocab, new: 512 }), 'token 512'],
    ['a merge of a token that is missing', (vocab: Vocab) => without(vocab, 'en'), 'merge 1'],
    ['a negative id', (vocab: Vocab) => ({ ...vocab, '!': -1 }), 'vocab'],
  ])('[K3] refuses a tokenizer with %s', async (_what, change, words) => {
    const { model } = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as {
      model: { vocab: Vocab };
    };
    await tokenizerOf(folder);
    await edit('tokenizer.json', { model: { ...model, vocab: change(model.vocab) } });
    const refused = tokenizerOf(folder);
    await expect(refused).rejects.toMatchObject({ code: 'package/malformed' });
    await expect(refused).rejects.toThrow(words);
  });

  it('[K3] refuses another tokenizer by name', async () => {
    await edit('tokenizer.json', { model: { type: 'Unigram', vocab: [] } });
    expect(String(await fault())).toContain('tokenizer Unigram');
  });

  it.each([
    [{ model: { end_of_word_suffix: '</w>' } }, 'end_of_word_suffix'],
    [{ model: { continuing_subword_prefix: '##' } }, 'continuing_subword_prefix'],
    [{ model: { dropout: 0.1 } }, 'dropout'],
    [
      { pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithNext' } },
      'Split of behavior MergedWithNext',
    ],
    [{ pre_tokenizer: { type: 'Whatever' } }, 'PreTokenizer type: Whatever'],
    [{ normalizer: { type: 'Whatever' } }, 'Normalizer type: Whatever'],
    [{ model: { merges: ['e n x'] } }, 'merge 0'],
  ])('[K3] refuses a tokenizer with %o by name', async (change, words) => {
    const { model } = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as {
      model: object;
    };
    const changed = 'model' in change ? { model: { ...model, ...change.model } } : change;
    await edit('tokenizer.json', changed);
    await expect(tokenizerOf(folder)).rejects.toThrow(words);
  });

  it('[K7] keeps a token called __proto__', async () => {
    const { model } = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as {
      model: { vocab: Vocab; merges: unknown[] };
    };
    const [[last, id] = ['', 0]] = Object.entries(model.vocab).slice(-1);
    const vocab = Object.fromEntries([
      ...Object.entries(without(model.vocab, last)),
      ['__proto__', id],
    ]);
    // The last merge made the token that is gone.
    await edit('tokenizer.json', { model: { ...model, vocab, merges: model.merges.slice(0, -1) } });
    expect((await tokenizerOf(folder)).decode([id])).toBe('__proto__');
  });

  it('[K7] knows a begin token that the tokenizer puts first itself', async () => {
    const single = [{ SpecialToken: { id: '<|im_start|>', type_id: 0 } }];
    await edit('tokenizer.json', {
      post_processor: { type: 'Sequence', processors: [{ type: 'TemplateProcessing', single }] },
    });
    expect((await open()).tokenizer.addBos).toBe(true);
    await edit('tokenizer_config.json', { add_bos_token: false });
    expect((await open()).tokenizer.addBos).toBe(false);
  });

  it.each(['config.json', 'tokenizer.json', 'model.safetensors'])(
    '[K3] says that %s is missing',
    async (name) => {
      await rm(join(folder, name));
      expect(String(await fault())).toContain(name);
    },
  );

  it('[K3] refuses an index that leaves the folder', async () => {
    const weight_map = { 'model.norm.weight': '../secret.safetensors' };
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
    expect(await fault()).toMatchObject({ code: 'package/malformed' });
  });
});

describe('safetensors', () => {
  const tensor = (dtype: string, shape: unknown[], ...data_offsets: number[]) => ({
    dtype,
    shape,
    data_offsets,
  });
  const file = (header: unknown, dataBytes: number, headerLength?: bigint) => {
    const json = utf8(typeof header === 'string' ? header : JSON.stringify(header));
    return concatBytes([u64(headerLength ?? json.length), json, new Uint8Array(dataBytes)]);
  };

  it.each([
    ['an empty file', new Uint8Array(0)],
    ['a header of 2^60 bytes', file({}, 0, 2n ** 60n)],
    ['a header longer than the file', file({}, 0, 1000n)],
    ['no JSON', file('{', 0)],
    ['a list', file('[]', 0)],
    ['a shape of 2^60', file({ a: tensor('F32', [2 ** 60], 0, 4) }, 4)],
    ['a shape of text', file({ a: tensor('F32', ['1'], 0, 4) }, 4)],
    ['no shape', file({ a: tensor('F32', [], 0, 4) }, 4)],
    ['three dimensions', file({ a: tensor('F32', [1, 1, 1], 0, 4) }, 4)],
    ['offsets that do not hold the shape', file({ a: tensor('F32', [2], 0, 4) }, 4)],
    ['offsets backwards', file({ a: tensor('F32', [1], 4, 0) }, 4)],
    ['negative offsets', file({ a: tensor('F32', [1], -4, 0) }, 4)],
    ['a tensor beyond the file', file({ a: tensor('F32', [2], 0, 8) }, 4)],
    [
      'a tensor over another',
      file({ a: tensor('F32', [2], 0, 8), b: tensor('F32', [1], 4, 8) }, 8),
    ],
    ['a hole', file({ a: tensor('F32', [1], 4, 8) }, 8)],
    ['bytes nobody owns', file({ a: tensor('F32', [1], 0, 4) }, 8)],
  ])('[K3] refuses %s', async (_what, bytes) => {
    await writeFile(join(folder, 'model.safetensors'), bytes);
    const error = await fault();
    expect(error instanceof FaultError && error.code).toMatch(/^package\/(malformed|too-large)$/);
  });

  it('[K3] refuses another type by name', async () => {
    const bytes = file({ a: tensor('F8_E4M3', [4], 0, 4) }, 4);
    await writeFile(join(folder, 'model.safetensors'), bytes);
    expect(await fault()).toMatchObject({ code: 'package/unsupported' });
    expect(String(await fault())).toContain('F8_E4M3');
  });

  it('[K8] widens BF16 exactly', () => {
    const bytes = new Uint8Array(2 * 65_536);
    const view = new DataView(bytes.buffer);
    for (let bits = 0; bits < 65_536; bits += 1) view.setUint16(2 * bits, bits, true);
    const wide = new DataView(decodeBlocks('BF16', bytes).buffer);
    const widened = Array.from({ length: 65_536 }, (_, bits) => wide.getUint32(4 * bits, true));
    // Numbers that are none stay none; their bits may be others.
    const isNumber = (bits: number): boolean => (bits & 0x7fff) <= 0x7f80;
    const isOff = (value: number, bits: number) => isNumber(bits) && value !== bits * 65_536;
    expect(widened.findIndex(isOff)).toBe(-1);
  });
});
