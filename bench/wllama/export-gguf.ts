import { createWriteStream, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { must } from '#lib/kernel/assert.ts';
import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';
import type { Manifest, ManifestPart } from '#lib/shard/package/manifest.ts';
import type { TensorType } from '#lib/webgpu/model.ts';

/** GGUF value types and tensor types (ggml docs, gguf.md). */
const VALUE = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;
const TENSOR: Readonly<Record<TensorType, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  BF16: 30,
};
const ALIGNMENT = 32;
const CONTROL_TOKEN = 3;
const NORMAL_TOKEN = 1;

const GGUF_NAME: Readonly<Record<string, string>> = {
  'attn-norm': 'attn_norm',
  'attn-q': 'attn_q',
  'attn-k': 'attn_k',
  'attn-v': 'attn_v',
  'attn-o': 'attn_output',
  'mlp-norm': 'ffn_norm',
  'mlp-gate': 'ffn_gate',
  'mlp-up': 'ffn_up',
  'mlp-down': 'ffn_down',
};

interface TokenizerFile {
  readonly tokenizer: {
    readonly model: {
      readonly vocab: Readonly<Record<string, number>>;
      readonly merges: readonly (string | readonly [string, string])[];
    };
    readonly added_tokens?: readonly { readonly id: number; readonly content: string }[];
  };
}

interface OutTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly rows: number;
  readonly cols: number;
  readonly bytes: Uint8Array;
}

/** Writes a package back as one GGUF file, so that a peer runs the very same weights. */
export async function exportGguf(folder: string, manifest: Manifest, out: string): Promise<void> {
  const tensors = manifest.parts.flatMap((part) => tensorsOf(folder, manifest, part));
  const metadata = metadataOf(manifest, readTokenizer(folder, manifest));
  const head = [u32(0x46554747), u32(3), u64(tensors.length), u64(metadata.length), ...metadata];
  let offset = 0;
  for (const tensor of tensors) {
    const dims = tensor.rows === 1 ? [tensor.cols] : [tensor.cols, tensor.rows];
    head.push(
      text(tensor.name),
      u32(dims.length),
      ...dims.map(u64),
      u32(TENSOR[tensor.type]),
      u64(offset),
    );
    offset += padded(tensor.bytes.length);
  }
  const stream = createWriteStream(out);
  const header = concatBytes(head);
  stream.write(header);
  stream.write(new Uint8Array(padded(header.length) - header.length));
  for (const { bytes } of tensors) {
    stream.write(bytes);
    stream.write(new Uint8Array(padded(bytes.length) - bytes.length));
  }
  stream.end();
  await once(stream, 'finish');
}

function tensorsOf(folder: string, manifest: Manifest, part: ManifestPart): OutTensor[] {
  const bytes = concatBytes(
    part.chunks.map(({ sha256 }) => readFileSync(join(folder, 'chunks', sha256))),
  );
  const { heads, kvHeads, headDim } = manifest.shape;
  return part.tensors.map(({ name, type, rows, cols, offset, bytes: length }) => {
    const own = bytes.subarray(offset, offset + length);
    const isRotated = name === 'attn-q' || name === 'attn-k';
    return {
      name: ggufName(part.key, name),
      type,
      rows,
      cols,
      bytes: isRotated
        ? interleaveRows(own, { heads: name === 'attn-q' ? heads : kvHeads, headDim })
        : own,
    };
  });
}

function ggufName(key: string, name: string): string {
  if (key === 'embedding') return 'token_embd.weight';
  if (key === 'final-norm') return 'output_norm.weight';
  if (key === 'head') return 'output.weight';
  return `blk.${key.split('/')[1] ?? ''}.${must(GGUF_NAME[name], 'a layer tensor')}.weight`;
}

/** Half-split RoPE rows back to llama's interleaved order: out[h, 2i + j] = in[h, j·D/2 + i]. */
function interleaveRows(bytes: Uint8Array, of: { heads: number; headDim: number }): Uint8Array {
  const rowBytes = bytes.length / (of.heads * of.headDim);
  const half = of.headDim / 2;
  const out = new Uint8Array(bytes.length);
  for (let head = 0; head < of.heads; head += 1) {
    for (let i = 0; i < half; i += 1) {
      for (let j = 0; j < 2; j += 1) {
        const from = (head * of.headDim + j * half + i) * rowBytes;
        out.set(bytes.subarray(from, from + rowBytes), (head * of.headDim + 2 * i + j) * rowBytes);
      }
    }
  }
  return out;
}

function readTokenizer(folder: string, manifest: Manifest): TokenizerFile {
  const bytes = concatBytes(
    manifest.tokenizer.chunks.map(({ sha256 }) => readFileSync(join(folder, 'chunks', sha256))),
  );
  return JSON.parse(new TextDecoder().decode(bytes)) as TokenizerFile;
}

function metadataOf(manifest: Manifest, { tokenizer }: TokenizerFile): Uint8Array[] {
  const { shape } = manifest;
  const tokens: string[] = Array.from({ length: shape.vocab }, (_, id) => `[unused ${id}]`);
  const types = new Array<number>(shape.vocab).fill(NORMAL_TOKEN);
  for (const [token, id] of Object.entries(tokenizer.model.vocab)) tokens[id] = token;
  for (const { id, content } of tokenizer.added_tokens ?? []) {
    tokens[id] = content;
    types[id] = CONTROL_TOKEN;
  }
  const merges = tokenizer.model.merges.map((pair) =>
    typeof pair === 'string' ? pair : pair.join(' '),
  );
  const whole = (key: string, value: number) => entry(key, VALUE.uint32, u32(value));
  const real = (key: string, value: number) => entry(key, VALUE.float32, f32(value));
  const words = (key: string, value: string) => entry(key, VALUE.string, text(value));
  return [
    words('general.architecture', 'llama'),
    words('general.name', manifest.name),
    whole('llama.block_count', shape.layers),
    whole('llama.context_length', shape.contextMax),
    whole('llama.embedding_length', shape.hidden),
    whole('llama.feed_forward_length', shape.mlp),
    whole('llama.attention.head_count', shape.heads),
    whole('llama.attention.head_count_kv', shape.kvHeads),
    whole('llama.rope.dimension_count', shape.headDim),
    whole('llama.vocab_size', shape.vocab),
    real('llama.rope.freq_base', shape.ropeTheta),
    real('llama.attention.layer_norm_rms_epsilon', shape.rmsEps),
    words('tokenizer.ggml.model', 'gpt2'),
    words('tokenizer.ggml.pre', 'smollm'),
    list('tokenizer.ggml.tokens', VALUE.string, tokens.map(text)),
    list('tokenizer.ggml.token_type', VALUE.int32, types.map(u32)),
    list('tokenizer.ggml.merges', VALUE.string, merges.map(text)),
    whole('tokenizer.ggml.eos_token_id', manifest.tokenizer.eosIds[0] ?? 0),
    entry('tokenizer.ggml.add_bos_token', VALUE.bool, new Uint8Array([0])),
  ];
}

const padded = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;
const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
const u64 = (value: number): Uint8Array =>
  new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
const f32 = (value: number): Uint8Array => new Uint8Array(new Float32Array([value]).buffer);
const text = (value: string): Uint8Array => {
  const bytes = utf8(value);
  return concatBytes([u64(bytes.length), bytes]);
};
const entry = (key: string, type: number, value: Uint8Array): Uint8Array =>
  concatBytes([text(key), u32(type), value]);
const list = (key: string, type: number, items: readonly Uint8Array[]): Uint8Array =>
  entry(key, VALUE.array, concatBytes([u32(type), u64(items.length), ...items]));
