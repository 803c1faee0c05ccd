import * as z from 'zod/mini';
import {
  HEX_64,
  MODEL_ID,
  type ChunkHash,
  type ManifestHash,
  type ModelId,
} from '#lib/kernel/ids.ts';
import { digestJson } from '#lib/kernel/digest.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import {
  hasHead,
  partsOfRange,
  SHAPE_KINDS,
  TENSOR_TYPES,
  type LayerRange,
  type ModelShape,
  type PartKey,
} from '#lib/webgpu/model.ts';
import { PACKAGE } from './limits.ts';

const count = (max: number) => z.number().check(z.int(), z.gte(1), z.lte(max));
const positive = z.number().check(z.positive(), z.lte(1e9));
const tokenId = z.number().check(z.int(), z.gte(0), z.lt(PACKAGE.vocabMax));

const chunkSchema = z.strictObject({
  /** SHA-256 of the chunk's bytes and its name. */
  sha256: z.string().check(z.regex(HEX_64)),
  bytes: count(PACKAGE.chunkBytesMax),
});

const tensorSchema = z.strictObject({
  name: z.string().check(z.regex(/^[a-z-]{1,32}$/)),
  type: z.enum(TENSOR_TYPES),
  rows: count(PACKAGE.dimensionMax),
  cols: count(PACKAGE.dimensionMax),
  /** Byte offset within the part. */
  offset: z.number().check(z.int(), z.gte(0), z.lte(PACKAGE.partBytesMax)),
  bytes: count(PACKAGE.partBytesMax),
});

const partSchema = z.strictObject({
  key: z.string().check(z.regex(/^(embedding|final-norm|head|layer\/(0|[1-9][0-9]{0,3}))$/)),
  bytes: count(PACKAGE.partBytesMax),
  tensors: z.array(tensorSchema).check(z.minLength(1), z.maxLength(PACKAGE.tensorsPerPartMax)),
  /** In order; their bytes laid end to end are the part's bytes. */
  chunks: z.array(chunkSchema).check(z.minLength(1), z.maxLength(PACKAGE.chunksPerPartMax)),
});

const shapeSchema = z.strictObject({
  kind: z.enum(SHAPE_KINDS),
  layers: count(PACKAGE.layersMax),
  hidden: count(PACKAGE.dimensionMax),
  heads: count(1024),
  kvHeads: count(1024),
  headDim: count(1024),
  mlp: count(PACKAGE.dimensionMax),
  vocab: count(PACKAGE.vocabMax),
  contextMax: count(PACKAGE.contextMax),
  rmsEps: positive,
  ropeTheta: positive,
  ropeScaling: z.nullable(
    z.strictObject({
      kind: z.literal('llama3'),
      factor: positive,
      lowFreqFactor: positive,
      highFreqFactor: positive,
      originalContext: count(PACKAGE.contextMax),
    }),
  ),
  tiedEmbeddings: z.boolean(),
});

export const manifestSchema = z.strictObject({
  format: z.literal('declai/model/1'),
  id: z.string().check(z.regex(MODEL_ID)),
  name: z.string().check(z.minLength(1), z.maxLength(200)),
  licence: z.string().check(z.maxLength(200)),
  source: z.strictObject({
    kind: z.enum(['gguf', 'safetensors']),
    sha256: z.string().check(z.regex(HEX_64)),
  }),
  shape: shapeSchema,
  /** The most frequent type of the matrices, for people: `Q4_1`. */
  quantisation: z.enum(TENSOR_TYPES),
  tokenizer: z.strictObject({
    bosId: z.nullable(tokenId),
    addBos: z.boolean(),
    eosIds: z.array(tokenId).check(z.maxLength(16)),
    /** UTF-8 JSON `{tokenizer, config}`: what `@huggingface/tokenizers` takes. */
    bytes: count(PACKAGE.tokenizerBytesMax),
    chunks: z.array(chunkSchema).check(z.minLength(1), z.maxLength(64)),
  }),
  chatTemplate: z.nullable(z.string().check(z.maxLength(PACKAGE.templateCharsMax))),
  parts: z.array(partSchema).check(z.minLength(1), z.maxLength(PACKAGE.layersMax + 3)),
});

export type Manifest = Omit<z.infer<typeof manifestSchema>, 'id' | 'shape'> & {
  id: ModelId;
  shape: ModelShape;
};
export type ManifestPart = Manifest['parts'][number];
export type ManifestTensor = ManifestPart['tensors'][number];
export interface ChunkRef {
  readonly sha256: ChunkHash;
  readonly bytes: number;
}

/** SHA-256 of the manifest's canonical JSON: the model's identity in routes and receipts. */
export const manifestHash = (manifest: Manifest): ManifestHash =>
  digestJson(manifest) as ManifestHash;

export function partOf(manifest: Manifest, key: PartKey): ManifestPart {
  const part = manifest.parts.find((candidate) => candidate.key === key);
  if (!part) throw new FaultError('package/malformed', `the manifest has no part ${key}`);
  return part;
}

/** Chunks of all that a node needs for a range; the tokenizer's where it has the head. */
export function rangeRefs(manifest: Manifest, range: LayerRange): ChunkRef[] {
  const { shape, tokenizer } = manifest;
  const parts = partsOfRange(shape, range).map((key) => partOf(manifest, key));
  return [...parts, ...(hasHead(shape, range) ? [tokenizer] : [])].flatMap(chunkRefs);
}

/** Chunks of a part or of the tokenizer; the schema proved that the names are hashes. */
export const chunkRefs = (owner: {
  readonly chunks: readonly { sha256: string; bytes: number }[];
}): readonly ChunkRef[] => owner.chunks as readonly ChunkRef[];
