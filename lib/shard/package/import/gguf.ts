import { FaultError } from '#lib/kernel/errors.ts';
import { must } from '#lib/kernel/assert.ts';
import type { LayerTensor, ModelShape, PartKey, TensorName } from '#lib/webgpu/model.ts';
import { tensorBytes } from '../layout.ts';
import { IMPORT, PACKAGE } from '../limits.ts';
import { hashFile, openByteFile, readPieces, type ByteFile } from './byte-file.ts';
import { parseGgufHeader, type GgufHeader, type GgufTensor } from './gguf-header.ts';
import { GgufMetadata } from './gguf-metadata.ts';
import { ggufShape } from './gguf-shape.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import { tensorTypeOf } from './gguf-types.ts';
import { refuseOverlap } from './extents.ts';
import { readHalfSplit } from './rope-rows.ts';
import { collectParts, refuseUnused, type FoundTensor, type ModelSource } from './source.ts';

const LAYER_NAMES: Readonly<Record<LayerTensor, string>> = {
  'attn-norm': 'attn_norm.weight',
  'attn-q': 'attn_q.weight',
  'attn-k': 'attn_k.weight',
  'attn-v': 'attn_v.weight',
  'attn-o': 'attn_output.weight',
  'mlp-norm': 'ffn_norm.weight',
  'mlp-gate': 'ffn_gate.weight',
  'mlp-up': 'ffn_up.weight',
  'mlp-down': 'ffn_down.weight',
  'attn-q-bias': 'attn_q.bias',
  'attn-k-bias': 'attn_k.bias',
  'attn-v-bias': 'attn_v.bias',
  'attn-q-norm': 'attn_q_norm.weight',
  'attn-k-norm': 'attn_k_norm.weight',
};
const TOP_NAMES: ReadonlyMap<PartKey, string> = new Map([
  ['embedding', 'token_embd.weight'],
  ['final-norm', 'output_norm.weight'],
  ['head', 'output.weight'],
]);

function ggufName(key: PartKey, name: TensorName): string {
  const top = TOP_NAMES.get(key);
  return top ?? `blk.${key.slice('layer/'.length)}.${LAYER_NAMES[name as LayerTensor]}`;
}

/**
 * A GGUF file of architecture `llama`.
 * @throws FaultError `package/…`, before anything but the header was read.
 */
export async function openGguf(path: string): Promise<ModelSource> {
  const file = await openByteFile(path);
  try {
    return await readGguf(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readGguf(file: ByteFile): Promise<ModelSource> {
  const prefix = await file.read(0, Math.min(file.size, IMPORT.ggufHeaderBytesMax));
  const header = parseGgufHeader(prefix);
  const metadata = new GgufMetadata(header.metadata);
  const tied = !header.tensors.some((tensor) => tensor.name === 'output.weight');
  const shape = ggufShape(metadata, tied);
  const found = findTensors(file, header);
  const used = new Set<string>();
  const parts = collectParts(shape, (key, { name }) => {
    const tensor = found.get(ggufName(key, name));
    if (!tensor) return undefined;
    used.add(tensor.source.name);
    return { ...tensor, read: () => readTensor(file, headsOf(shape, name), tensor) };
  });
  refuseUnused(found.keys(), used);
  const chatTemplate = metadata.optionalString('tokenizer.chat_template');
  if (chatTemplate !== null && chatTemplate.length > PACKAGE.templateCharsMax) {
    throw new FaultError('package/too-large', 'the chat template is longer than the limit');
  }
  return {
    kind: 'gguf',
    shape,
    tokenizer: ggufTokenizer(metadata),
    chatTemplate,
    licence: metadata.optionalString('general.license'),
    parts,
    bytes: file.size,
    sha256: (onBytes, signal) => hashFile(file, onBytes, signal),
    close: () => file.close(),
  };
}

type PlacedTensor = Omit<FoundTensor, 'read'> & { readonly source: GgufTensor; bytes: number };

/** All tensors of the file by name: of types we store, inside the file, none over another. */
function findTensors(file: ByteFile, header: GgufHeader): Map<string, PlacedTensor> {
  const found = new Map<string, PlacedTensor>();
  for (const source of header.tensors) {
    const type = tensorTypeOf(source);
    const [cols, rows = 1, ...rest] = source.dims;
    const fits = [cols ?? 0, rows].every((dim) => dim >= 1 && dim <= PACKAGE.dimensionMax);
    if (!fits || rest.some((dim) => dim !== 1)) {
      throw new FaultError('package/malformed', `tensor ${source.name} is [${source.dims.join()}]`);
    }
    const bytes = tensorBytes(type, rows, must(cols, 'a tensor has a dimension'));
    found.set(source.name, { type, rows, cols: cols ?? 0, source, bytes });
  }
  const extents = [...found].map(([name, { source, bytes }]) => ({
    name,
    start: source.offset,
    end: source.offset + bytes,
  }));
  refuseOverlap(extents, file.size);
  return found;
}

/** Heads whose rows the converter permuted: of Q and K alone. */
function headsOf(shape: ModelShape, name: TensorName): number {
  if (name === 'attn-q') return shape.heads;
  return name === 'attn-k' ? shape.kvHeads : 0;
}

function readTensor(
  file: ByteFile,
  heads: number,
  tensor: PlacedTensor,
): AsyncIterable<Uint8Array> {
  const { offset } = tensor.source;
  if (heads === 0) return readPieces(file, offset, tensor.bytes);
  const rowBytes = tensor.bytes / tensor.rows;
  return readHalfSplit(file, { offset, heads, headDim: tensor.rows / heads, rowBytes });
}
