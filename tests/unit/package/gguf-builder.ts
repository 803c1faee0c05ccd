import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';

/** Writes GGUF bytes for tests, honest or hostile: every number can be given as it shall be read. */
export type GgufField = readonly [key: string, type: number, value: GgufFieldValue];
type GgufFieldValue =
  number | bigint | string | boolean | { of: number; items: readonly (number | string)[] };

export interface GgufTensorField {
  readonly name: string;
  readonly dims: readonly (number | bigint)[];
  readonly type: number;
  readonly offset: number | bigint;
}

export interface GgufFile {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly keyCount?: bigint;
  readonly fields?: readonly GgufField[];
  readonly tensors?: readonly GgufTensorField[];
  readonly dataBytes?: number;
}

const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
export const u64 = (value: number | bigint): Uint8Array =>
  new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
const text = (value: string): Uint8Array => concatBytes([u64(utf8(value).length), utf8(value)]);

function scalar(type: number, value: number | bigint | string | boolean): Uint8Array {
  if (typeof value === 'string') return text(value);
  if (type === 6) return new Uint8Array(new Float32Array([Number(value)]).buffer);
  if (type === 7) return new Uint8Array([value ? 1 : 0]);
  if (type === 10) return u64(BigInt(value));
  return u32(Number(value));
}

function fieldBytes([key, type, value]: GgufField): Uint8Array {
  if (typeof value !== 'object') return concatBytes([text(key), u32(type), scalar(type, value)]);
  const items = value.items.map((item) => scalar(value.of, item));
  return concatBytes([text(key), u32(type), u32(value.of), u64(items.length), ...items]);
}

export function ggufBytes(file: GgufFile): Uint8Array<ArrayBuffer> {
  const { fields = [], tensors = [], dataBytes = 0 } = file;
  const header = concatBytes([
    utf8(file.magic ?? 'GGUF'),
    u32(file.version ?? 3),
    u64(file.tensorCount ?? tensors.length),
    u64(file.keyCount ?? fields.length),
    ...fields.map(fieldBytes),
    ...tensors.map(({ name, dims, type, offset }) =>
      concatBytes([text(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset)]),
    ),
  ]);
  const padding = (32 - (header.length % 32)) % 32;
  return concatBytes([header, new Uint8Array(padding + dataBytes)]);
}

const U32 = 4;
const F32 = 6;
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

/** A one-layer llama of 32 values, 4 heads, 2 key heads; its tokens are the 256 byte letters. */
export function tinyFields(): GgufField[] {
  const tokens = ['<|end|>', 'a', 'b', 'ab', 'Ġ', 'Ã', '©'];
  return [
    ['general.architecture', STRING, 'llama'],
    ['llama.block_count', U32, 1],
    ['llama.context_length', U32, 64],
    ['llama.embedding_length', U32, 32],
    ['llama.feed_forward_length', U32, 64],
    ['llama.attention.head_count', U32, 4],
    ['llama.attention.head_count_kv', U32, 2],
    ['llama.attention.layer_norm_rms_epsilon', F32, 1e-5],
    ['llama.rope.freq_base', F32, 10_000],
    ['tokenizer.ggml.model', STRING, 'gpt2'],
    ['tokenizer.ggml.pre', STRING, 'gpt-2'],
    ['tokenizer.ggml.add_bos_token', BOOL, false],
    ['tokenizer.ggml.eos_token_id', U32, 0],
    ['tokenizer.ggml.tokens', ARRAY, { of: STRING, items: tokens }],
    ['tokenizer.ggml.token_type', ARRAY, { of: U32, items: tokens.map((_, id) => (id ? 1 : 3)) }],
    ['tokenizer.ggml.merges', ARRAY, { of: STRING, items: ['a b'] }],
  ];
}

const DIMS: Readonly<Record<string, readonly number[]>> = {
  'token_embd.weight': [32, 7],
  'output_norm.weight': [32],
  'blk.0.attn_norm.weight': [32],
  'blk.0.attn_q.weight': [32, 32],
  'blk.0.attn_k.weight': [32, 16],
  'blk.0.attn_v.weight': [32, 16],
  'blk.0.attn_output.weight': [32, 32],
  'blk.0.ffn_norm.weight': [32],
  'blk.0.ffn_gate.weight': [32, 64],
  'blk.0.ffn_up.weight': [32, 64],
  'blk.0.ffn_down.weight': [64, 32],
};

/** All of its tensors in F32, one after the other. */
export function tinyTensors(): GgufTensorField[] {
  let offset = 0;
  return Object.entries(DIMS).map(([name, dims]) => {
    const tensor = { name, dims, type: 0, offset };
    offset += 4 * dims.reduce((product, dim) => product * dim, 1);
    return tensor;
  });
}

export const TINY_DATA_BYTES = 4 * (32 * 7 + 3 * 32 + 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64);
