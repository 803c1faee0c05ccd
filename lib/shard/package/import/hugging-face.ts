import { join } from 'node:path';
import * as z from 'zod/mini';
import { digestJson } from '#lib/kernel/digest.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { LayerTensor, PartKey, TensorName } from '#lib/webgpu/model.ts';
import { IMPORT } from '../limits.ts';
import { hfArchitecture } from './architectures.ts';
import { hashFile, openByteFile, readPieces, type ByteFile } from './byte-file.ts';
import { configSchema, modelTypeSchema, shapeOfConfig } from './hf-config.ts';
import { readHfTokenizer } from './hf-tokenizer.ts';
import { readJsonFile, requireFile } from './json-file.ts';
import { readSafetensorsHeader, type SafetensorsTensor } from './safetensors-header.ts';
import { collectParts, refuseUnused, type FileSource, type FoundTensor } from './source.ts';

const LAYER_NAMES: Readonly<Record<LayerTensor, string>> = {
  'attn-norm': 'input_layernorm.weight',
  'attn-q': 'self_attn.q_proj.weight',
  'attn-k': 'self_attn.k_proj.weight',
  'attn-v': 'self_attn.v_proj.weight',
  'attn-o': 'self_attn.o_proj.weight',
  'mlp-norm': 'post_attention_layernorm.weight',
  'mlp-gate': 'mlp.gate_proj.weight',
  'mlp-up': 'mlp.up_proj.weight',
  'mlp-down': 'mlp.down_proj.weight',
  'attn-q-bias': 'self_attn.q_proj.bias',
  'attn-k-bias': 'self_attn.k_proj.bias',
  'attn-v-bias': 'self_attn.v_proj.bias',
  'attn-q-norm': 'self_attn.q_norm.weight',
  'attn-k-norm': 'self_attn.k_norm.weight',
};
const TOP_NAMES: ReadonlyMap<PartKey, string> = new Map([
  ['embedding', 'model.embed_tokens.weight'],
  ['final-norm', 'model.norm.weight'],
  ['head', 'lm_head.weight'],
]);

function hfName(key: PartKey, name: TensorName): string {
  const layer = key.slice('layer/'.length);
  return TOP_NAMES.get(key) ?? `model.layers.${layer}.${LAYER_NAMES[name as LayerTensor]}`;
}

/** Tables that old checkpoints carry although every engine computes them. */
const COMPUTED = /^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/;

type Located = SafetensorsTensor & { readonly file: ByteFile };

/**
 * A Hugging Face folder of an architecture we compute, with safetensors in one file or in shards.
 * @throws FaultError `package/…`, before anything but headers and JSON files was read.
 */
export async function openHuggingFace(folder: string): Promise<FileSource> {
  const config = requireFile(
    await readJsonFile(folder, 'config.json', modelTypeSchema),
    'config.json',
  );
  // First of all: another architecture is refused by name and not by a field it lacks.
  hfArchitecture(config.model_type);
  const files: ByteFile[] = [];
  try {
    return await readFolder(folder, files);
  } catch (error) {
    for (const file of files) await file.close();
    throw error;
  }
}

async function readFolder(folder: string, files: ByteFile[]): Promise<FileSource> {
  const config = requireFile(
    await readJsonFile(folder, 'config.json', configSchema),
    'config.json',
  );
  const shape = shapeOfConfig(config);
  for (const name of await weightFiles(folder)) files.push(await openByteFile(join(folder, name)));
  const found = await locate(files);
  const used = new Set(shape.tiedEmbeddings ? ['lm_head.weight'] : []);
  const parts = collectParts(shape, (key, { name }) => {
    const tensor = found.get(hfName(key, name));
    if (tensor) used.add(tensor.name);
    return tensor && foundTensor(tensor);
  });
  refuseUnused(
    [...found.keys()].filter((name) => !COMPUTED.test(name)),
    used,
  );
  const { tokenizer, chatTemplate } = await readHfTokenizer(folder, config);
  return {
    kind: 'safetensors',
    shape,
    tokenizer,
    chatTemplate,
    licence: null,
    parts,
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    async sha256(onBytes, signal) {
      const digests: [string, string][] = [];
      for (const file of files) digests.push([file.name, await hashFile(file, onBytes, signal)]);
      return digestJson(digests);
    },
    async close() {
      for (const file of files) await file.close();
    },
  };
}

const fileName = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.safetensors$/));
const indexSchema = z.object({ weight_map: z.record(z.string(), fileName) });

/** Names of the weight files, sorted; a path in the index is refused. */
async function weightFiles(folder: string): Promise<string[]> {
  const index = await readJsonFile(folder, 'model.safetensors.index.json', indexSchema);
  if (!index) return ['model.safetensors'];
  const names = [...new Set(Object.values(index.weight_map))].sort();
  if (names.length === 0 || names.length > IMPORT.safetensorsFilesMax) {
    throw new FaultError('package/malformed', `an index of ${names.length} files`);
  }
  return names;
}

async function locate(files: readonly ByteFile[]): Promise<Map<string, Located>> {
  const found = new Map<string, Located>();
  for (const file of files) {
    for (const tensor of await readSafetensorsHeader(file)) {
      if (found.has(tensor.name)) {
        throw new FaultError('package/malformed', `tensor ${tensor.name} comes twice`);
      }
      found.set(tensor.name, { ...tensor, file });
    }
  }
  return found;
}

const foundTensor = ({ file, type, rows, cols, offset, bytes }: Located): FoundTensor => ({
  type,
  rows,
  cols,
  read: () => readPieces(file, { offset, length: bytes, unit: bytes / rows }),
});
