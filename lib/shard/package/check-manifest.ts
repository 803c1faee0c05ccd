import { utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { TensorType } from '#lib/webgpu/model.ts';
import {
  alignTensor,
  checkShape,
  expectedParts,
  isVectorType,
  tensorBytes,
  type ExpectedPart,
  type ExpectedTensor,
} from './layout.ts';
import { PACKAGE } from './limits.ts';
import {
  manifestSchema,
  type Manifest,
  type ManifestPart,
  type ManifestTensor,
} from './manifest.ts';

const malformed = (message: string): FaultError => new FaultError('package/malformed', message);

/**
 * A manifest from untrusted text: bounded, schema-checked and consistent with itself.
 * @throws FaultError `package/too-large`, `package/unsupported` (another format), `package/malformed`.
 */
export function parseManifest(text: string): Manifest {
  if (text.length > PACKAGE.manifestBytesMax || utf8(text).length > PACKAGE.manifestBytesMax) {
    throw new FaultError('package/too-large', 'the manifest is larger than the limit');
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FaultError('package/malformed', 'the manifest is not JSON', { cause });
  }
  return checkManifest(json);
}

/** As {@link parseManifest}, of a value that is JSON already. */
export function checkManifest(json: unknown): Manifest {
  const format = typeof json === 'object' && json !== null && 'format' in json ? json.format : null;
  if (typeof format === 'string' && format !== 'declai/model/1') {
    throw new FaultError('package/unsupported', `package format ${format.slice(0, 64)}`);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw malformed(`manifest ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
  const manifest = parsed.data as Manifest;
  checkShape(manifest.shape);
  checkParts(manifest);
  checkTokenizer(manifest);
  checkChunkSizes(manifest);
  return manifest;
}

function checkParts(manifest: Manifest): void {
  const expected = expectedParts(manifest.shape);
  if (expected.length !== manifest.parts.length) {
    throw malformed(`${manifest.parts.length} parts, the shape has ${expected.length}`);
  }
  for (const [index, want] of expected.entries()) checkPart(manifest.parts[index], want);
  if (dominantType(manifest.parts) !== manifest.quantisation) {
    throw malformed('the named quantisation is not the most frequent one');
  }
}

/** Tensors lie in order, each at the next aligned offset, and fill the part: no gap, no overlap. */
function checkPart(part: ManifestPart | undefined, want: ExpectedPart): void {
  if (part?.key !== want.key || part.tensors.length !== want.tensors.length) {
    throw malformed(`part ${want.key} is not in its place or lacks tensors`);
  }
  let end = 0;
  for (const [index, tensor] of part.tensors.entries()) {
    checkTensor(part, tensor, want.tensors[index]);
    if (tensor.offset !== alignTensor(end)) {
      throw malformed(`${part.key}/${tensor.name} is not at the next aligned offset`);
    }
    end = tensor.offset + tensor.bytes;
  }
  if (end !== part.bytes) throw malformed(`${part.key}: tensors end at ${end} of ${part.bytes}`);
  const chunked = part.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
  if (chunked !== part.bytes) throw malformed(`${part.key}: chunks hold ${chunked} bytes`);
}

function checkTensor(part: ManifestPart, tensor: ManifestTensor, want?: ExpectedTensor): void {
  const { name, type, rows, cols } = tensor;
  if (name !== want?.name || rows !== want.rows || cols !== want.cols) {
    throw malformed(`${part.key}/${name} [${rows}, ${cols}] does not fit the shape`);
  }
  if (rows === 1 && !isVectorType(type)) {
    throw new FaultError('package/unsupported', `${part.key}/${name}: a vector stored as ${type}`);
  }
  if (tensor.bytes !== tensorBytes(type, rows, cols)) {
    throw malformed(`${part.key}/${name}: ${tensor.bytes} bytes are not its blocks × rows`);
  }
}

function checkTokenizer(manifest: Manifest): void {
  const { bosId, addBos, eosIds, bytes, chunks } = manifest.tokenizer;
  for (const id of [...eosIds, ...(bosId === null ? [] : [bosId])]) {
    if (id >= manifest.shape.vocab) throw malformed(`special token ${id} is beyond the vocabulary`);
  }
  if (addBos && bosId === null) throw malformed('a begin token is to be added but none is named');
  if (chunks.reduce((sum, chunk) => sum + chunk.bytes, 0) !== bytes) {
    throw malformed('the chunks of the tokenizer do not hold its bytes');
  }
}

/** The same hash names the same bytes, so it has one length everywhere. */
function checkChunkSizes(manifest: Manifest): void {
  const sizes = new Map<string, number>();
  for (const chunk of [manifest.tokenizer, ...manifest.parts].flatMap((owner) => owner.chunks)) {
    if ((sizes.get(chunk.sha256) ?? chunk.bytes) !== chunk.bytes) {
      throw malformed(`chunk ${chunk.sha256} has two lengths`);
    }
    sizes.set(chunk.sha256, chunk.bytes);
  }
}

/** The most frequent type of the matrices; of equals, the one that comes first in the package. */
export function dominantType(
  parts: readonly { tensors: readonly { type: TensorType; rows: number }[] }[],
): TensorType {
  const counts = new Map<TensorType, number>();
  for (const tensor of parts.flatMap((part) => part.tensors)) {
    if (tensor.rows > 1) counts.set(tensor.type, (counts.get(tensor.type) ?? 0) + 1);
  }
  let best: TensorType = 'F32';
  for (const [type, count] of counts) if (count > (counts.get(best) ?? 0)) best = type;
  return best;
}
