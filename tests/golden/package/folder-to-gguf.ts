import { readFileSync } from 'node:fs';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { must } from '#lib/kernel/assert.ts';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { ggufBytes, type GgufField, type GgufTensorField } from '#tests/unit/package/gguf-builder.ts';
import { goldenPath } from '#tests/support/golden.ts';

/** llama.cpp's `convert_hf_to_gguf.py` in small: a golden folder as the GGUF file it would give. */
const GGML_TYPE = { F32: 0, F16: 1, BF16: 30 } as const;
const [U32, F32, BOOL, STRING, ARRAY] = [4, 6, 7, 8, 9];

interface Tensor {
  readonly name: string;
  readonly type: keyof typeof GGML_TYPE;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

const configSchema = z.looseObject({
  model_type: z.string(),
  num_hidden_layers: z.number(),
  hidden_size: z.number(),
  intermediate_size: z.number(),
  num_attention_heads: z.number(),
  num_key_value_heads: z.number(),
  head_dim: z.optional(z.number()),
  max_position_embeddings: z.number(),
  rms_norm_eps: z.number(),
  rope_theta: z.optional(z.number()),
  rope_parameters: z.optional(z.looseObject({ rope_theta: z.number() })),
});
type Config = z.infer<typeof configSchema>;

const tokenizerSchema = z.object({
  model: z.object({ vocab: z.record(z.string(), z.number()), merges: z.array(z.array(z.string())) }),
  added_tokens: z.array(z.object({ id: z.number() })),
});

const readJson = <T extends z.ZodMiniType>(folder: string, name: string, schema: T): z.infer<T> =>
  schema.parse(JSON.parse(readFileSync(join(folder, name), 'utf8')));

function readTensors(folder: string): Tensor[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  const entry = z.object({
    dtype: z.enum(['F32', 'F16', 'BF16']),
    shape: z.array(z.number()),
    data_offsets: z.tuple([z.number(), z.number()]),
  });
  return files.flatMap((file) => {
    const bytes = readFileSync(join(folder, file));
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, unknown>;
    return Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, value]) => {
        const { dtype, shape, data_offsets } = entry.parse(value);
        const [from, to] = data_offsets;
        return { name, type: dtype, shape, bytes: bytes.subarray(start + from, start + to) };
      });
  });
}

const RENAMED: readonly (readonly [RegExp, string])[] = [
  [/^model\.layers\.(\d+)\./, 'blk.$1.'],
  [/^model\.embed_tokens/, 'token_embd'],
  [/^model\.norm/, 'output_norm'],
  [/^lm_head/, 'output'],
  [/input_layernorm/, 'attn_norm'],
  [/post_attention_layernorm/, 'ffn_norm'],
  [/self_attn\.([qk])_norm/, 'attn_$1_norm'],
  [/self_attn\.o_proj/, 'attn_output'],
  [/self_attn\.([qkv])_proj/, 'attn_$1'],
  [/mlp\.(gate|up|down)_proj/, 'ffn_$1'],
];
const renamed = (name: string): string =>
  RENAMED.reduce((text, [pattern, to]) => text.replace(pattern, to), name);

/** Rows of each head from half-split to interleaved order. */
function interleave(bytes: Uint8Array, heads: number, rows: number): Uint8Array {
  const rowBytes = bytes.length / rows;
  const headDim = rows / heads;
  const order = Array.from({ length: rows }, (_, row) => {
    const within = row % headDim;
    return row - within + (within % 2) * (headDim / 2) + (within >> 1);
  });
  return concatBytes(order.map((row) => bytes.subarray(row * rowBytes, (row + 1) * rowBytes)));
}

/** As `generate_extra_tensors` of the converter's LlamaModel, in doubles. */
export function ropeFactors(theta: number, headDim: number, s: Record<string, number>): Float32Array {
  const of = (key: string): number => must(s[key], key);
  const [factor, low, high] = [of('factor'), of('low_freq_factor'), of('high_freq_factor')];
  const context = of('original_max_position_embeddings');
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headDim);
    if (wavelength < context / high) return 1;
    if (wavelength > context / low) return factor;
    const smooth = (context / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

export interface GgufOptions {
  readonly pre?: string;
  /** Fields put instead of those of the same key, or beside them. */
  readonly fields?: readonly GgufField[];
}

/** `tiny/NAME` as the bytes of a GGUF file. */
export function folderToGguf(name: string, options: GgufOptions = {}): Uint8Array<ArrayBuffer> {
  const folder = goldenPath(`tiny/${name}`);
  const config = readJson(folder, 'config.json', configSchema);
  const architecture = ['mistral', 'llama'].includes(config.model_type) ? 'llama' : config.model_type;
  const tensors = readTensors(folder).map((tensor): Tensor => {
    const heads = /q_proj/.test(tensor.name) ? config.num_attention_heads : config.num_key_value_heads;
    const isTurned = architecture === 'llama' && /[qk]_proj/.test(tensor.name);
    const rows = must(tensor.shape[0], 'rows');
    const bytes = isTurned ? interleave(tensor.bytes, heads, rows) : tensor.bytes;
    return { ...tensor, name: renamed(tensor.name), bytes };
  });
  const all = [...tensors, ...ropeTensor(config)];
  const own = options.fields ?? [];
  const kept = fieldsOf(architecture, config, [...tokenFields(folder, options.pre ?? 'gpt-2')]);
  const fields = [...kept.filter(([key]) => !own.some(([other]) => other === key)), ...own];
  return fileOf(fields, all);
}

function ropeTensor(config: Config): Tensor[] {
  const rope = config.rope_parameters;
  if (rope?.['rope_type'] !== 'llama3') return [];
  const headDim = must(config.head_dim, 'head_dim');
  const factors = ropeFactors(rope.rope_theta, headDim, rope as Record<string, number>);
  const bytes = new Uint8Array(factors.buffer);
  return [{ name: 'rope_freqs.weight', type: 'F32', shape: [factors.length], bytes }];
}

function fieldsOf(architecture: string, config: Config, tokens: GgufField[]): GgufField[] {
  const key = (name: string): string => `${architecture}.${name}`;
  const theta = config.rope_theta ?? config.rope_parameters?.rope_theta ?? 10_000;
  const head: GgufField[] =
    config.head_dim === undefined ? [] : [[key('attention.key_length'), U32, config.head_dim]];
  return [
    ['general.architecture', STRING, architecture],
    [key('block_count'), U32, config.num_hidden_layers],
    [key('context_length'), U32, config.max_position_embeddings],
    [key('embedding_length'), U32, config.hidden_size],
    [key('feed_forward_length'), U32, config.intermediate_size],
    [key('attention.head_count'), U32, config.num_attention_heads],
    [key('attention.head_count_kv'), U32, config.num_key_value_heads],
    [key('attention.layer_norm_rms_epsilon'), F32, config.rms_norm_eps],
    [key('rope.freq_base'), F32, theta],
    ...head,
    ...tokens,
  ];
}

function tokenFields(folder: string, pre: string): GgufField[] {
  const { model, added_tokens } = readJson(folder, 'tokenizer.json', tokenizerSchema);
  const tokens = Object.entries(model.vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([text]) => text);
  const special = new Set(added_tokens.map(({ id }) => id));
  const types = tokens.map((_, id) => (special.has(id) ? 3 : 1));
  const merges = model.merges.map((pair) => pair.join(' '));
  return [
    ['tokenizer.ggml.model', STRING, 'gpt2'],
    ['tokenizer.ggml.pre', STRING, pre],
    ['tokenizer.ggml.tokens', ARRAY, { of: STRING, items: tokens }],
    ['tokenizer.ggml.token_type', ARRAY, { of: U32, items: types }],
    ['tokenizer.ggml.merges', ARRAY, { of: STRING, items: merges }],
    ['tokenizer.ggml.bos_token_id', U32, 1],
    ['tokenizer.ggml.eos_token_id', U32, 2],
    ['tokenizer.ggml.add_bos_token', BOOL, false],
  ];
}

function fileOf(fields: readonly GgufField[], tensors: readonly Tensor[]): Uint8Array<ArrayBuffer> {
  const placed: GgufTensorField[] = [];
  let end = 0;
  for (const { name, type, shape, bytes } of tensors) {
    placed.push({ name, dims: [...shape].reverse(), type: GGML_TYPE[type], offset: end });
    end = Math.ceil((end + bytes.length) / 32) * 32;
  }
  const file = ggufBytes({ fields, tensors: placed, dataBytes: end });
  const start = file.length - end;
  for (const [i, { bytes }] of tensors.entries()) file.set(bytes, start + Number(placed[i]?.offset));
  return file;
}
