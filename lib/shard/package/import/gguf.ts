import { FaultError } from '#lib/kernel/errors.ts';
import { must } from '#lib/kernel/assert.ts';
import type { LayerTensor, ModelShape, PartKey, TensorName } from '#lib/webgpu/model.ts';
import { IMPORT, PACKAGE } from '../limits.ts';
import { ggufArchitecture } from './architectures.ts';
import { hashFile, openByteFile, readPieces, type ByteFile } from './byte-file.ts';
import { parseGgufHeader, type GgufHeader, type GgufTensor } from './gguf-header.ts';
import { GgufMetadata } from './gguf-metadata.ts';
import { ggufShape } from './gguf-shape.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import { tensorTypeOf } from './gguf-types.ts';
import { refuseOverlap } from './extents.ts';
import { llama3FromFactors } from './rope-factors.ts';
import { readHalfSplit } from './rope-rows.ts';
import { sourceBytes } from './source-types.ts';
import { collectParts, refuseUnused, type FileSource, type FoundTensor } from './source.ts';

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
/** What each RoPE frequency is divided by, in files of Llama 3.1 and later. */
const ROPE_FACTORS = 'rope_freqs.weight';
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
 * A GGUF file of an architecture we compute.
 * @throws FaultError `package/…`, before anything but the header was read.
 */
export async function openGguf(path: string): Promise<FileSource> {
  const file = await openByteFile(path);
  try {
    return await readGguf(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readGguf(file: ByteFile): Promise<FileSource> {
  const prefix = await file.read(0, Math.min(file.size, IMPORT.ggufHeaderBytesMax));
  const header = parseGgufHeader(prefix);
  const metadata = new GgufMetadata(header.metadata);
  const tied = !header.tensors.some((tensor) => tensor.name === 'output.weight');
  const { kind, interleaved } = ggufArchitecture(metadata.string('general.architecture'));
  const plain = ggufShape(metadata, kind, tied);
  const found = findTensors(file, header);
  const shape = { ...plain, ropeScaling: await ropeScaling(file, plain, found.get(ROPE_FACTORS)) };
  const used = new Set([ROPE_FACTORS]);
  const parts = collectParts(shape, (key, { name }) => {
    const tensor = found.get(ggufName(key, name));
    if (!tensor) return undefined;
    used.add(tensor.source.name);
    const heads = interleaved ? headsOf(shape, name) : 0;
    return { ...tensor, read: () => readTensor(file, heads, tensor) };
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

/** All tensors of the file by name: of types we read, inside the file, none over another. */
function findTensors(file: ByteFile, header: GgufHeader): Map<string, PlacedTensor> {
  const found = new Map<string, PlacedTensor>();
  for (const source of header.tensors) {
    const type = tensorTypeOf(source);
    const [cols, rows = 1, ...rest] = source.dims;
    const fits = [cols ?? 0, rows].every((dim) => dim >= 1 && dim <= PACKAGE.dimensionMax);
    if (!fits || rest.some((dim) => dim !== 1)) {
      throw new FaultError('package/malformed', `tensor ${source.name} is [${source.dims.join()}]`);
    }
    const bytes = sourceBytes(type, rows, must(cols, 'a tensor has a dimension'));
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

async function ropeScaling(
  file: ByteFile,
  shape: ModelShape,
  tensor?: PlacedTensor,
): Promise<ModelShape['ropeScaling']> {
  if (!tensor) return null;
  if (tensor.type !== 'F32' || tensor.rows !== 1 || tensor.cols !== shape.headDim / 2) {
    const what = `${ROPE_FACTORS} is [${tensor.rows}, ${tensor.cols}] of ${tensor.type}`;
    throw new FaultError('package/malformed', what);
  }
  const { buffer } = await file.read(tensor.source.offset, tensor.bytes);
  const view = new DataView(buffer);
  const factors = Float32Array.from({ length: tensor.cols }, (_, i) =>
    view.getFloat32(4 * i, true),
  );
  return llama3FromFactors(factors, shape);
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
  const rowBytes = tensor.bytes / tensor.rows;
  if (heads === 0) return readPieces(file, { offset, length: tensor.bytes, unit: rowBytes });
  return readHalfSplit(file, { offset, heads, headDim: tensor.rows / heads, rowBytes });
}
