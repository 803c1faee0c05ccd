import { join } from 'node:path';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { sha256HexFast } from '#lib/kernel/digest.ts';
import { toFault } from '#lib/kernel/errors.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { CHUNKS_FOLDER } from '#lib/shard/package/import/importer.ts';
import { notFinite } from '#lib/shard/package/finite.ts';
import { chunkRefs, type ChunkRef } from '#lib/shard/package/manifest.ts';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { fsChunkStore } from '#lib/shard/package/store/fs-store.ts';
import { computeKnownStep } from './known-step.ts';
import { hashesOf, type RegisteredModel } from './registry.ts';

export interface VerifyResult {
  readonly id: ModelId;
  readonly folder: string;
  readonly chunks: number;
  readonly missing: readonly string[];
  readonly corrupt: readonly string[];
  /** `part tensor` with weights that are no finite numbers: engines may take them for numbers. */
  readonly notFinite: readonly string[];
  /** Whether a step of the model was computed and sound; what stood against it. */
  readonly step: StepResult;
}

export type StepResult =
  | { readonly kind: 'sound' }
  /** Chunks are missing, or the CPU engine does not compute such a model. */
  | { readonly kind: 'skipped'; readonly why: string }
  | { readonly kind: 'wrong'; readonly why: string };

/** Reads, hashes and looks through every chunk of a package, then computes a step with it. */
export async function verifyModel(model: RegisteredModel): Promise<VerifyResult> {
  const { folder, manifest } = model;
  const store = fsChunkStore(join(folder, CHUNKS_FOLDER));
  const missing = new Set<string>();
  const corrupt = new Set<string>();
  const odd = new Set<string>();
  const read = async ({ sha256 }: ChunkRef): Promise<Uint8Array | null> => {
    const bytes = await store.read(sha256);
    if (!bytes) missing.add(sha256);
    else if ((await sha256HexFast(bytes)) !== sha256) corrupt.add(sha256);
    else return bytes;
    return null;
  };
  for (const ref of chunkRefs(manifest.tokenizer)) await read(ref);
  for (const part of manifest.parts) {
    let end = 0;
    // Values are aligned: what a chunk of uneven length cuts lies in its last bytes.
    let cut: Uint8Array = new Uint8Array(0);
    for (const ref of chunkRefs(part)) {
      const chunk = await read(ref);
      end += ref.bytes;
      const bytes = cut.length > 0 && chunk ? concatBytes([cut, chunk]) : chunk;
      const found = bytes ? notFinite(part, { at: end - bytes.length, bytes }) : [];
      for (const name of found) odd.add(`${part.key} ${name}`);
      cut = bytes ? bytes.subarray(bytes.length - (end % 4)) : new Uint8Array(0);
    }
  }
  return resultOf(model, { missing: [...missing], corrupt: [...corrupt], notFinite: [...odd] });
}

async function resultOf(
  model: RegisteredModel,
  found: Pick<VerifyResult, 'missing' | 'corrupt' | 'notFinite'>,
): Promise<VerifyResult> {
  const { folder, manifest } = model;
  const { missing, corrupt } = found;
  const isWhole = missing.length + corrupt.length === 0;
  const step: StepResult = isWhole
    ? await stepOf(model)
    : { kind: 'skipped', why: 'chunks are missing or corrupt' };
  const chunks = hashesOf(manifest).size;
  return { id: manifest.id, folder, chunks, ...found, step };
}

async function stepOf({ folder, manifest }: RegisteredModel): Promise<StepResult> {
  try {
    const { weights } = await openPackageFolder(folder);
    await computeKnownStep({ shape: manifest.shape, weights });
    return { kind: 'sound' };
  } catch (error) {
    const { code, message } = toFault(error, 'engine/wrong-answer');
    const kind = code === 'engine/unsupported' ? 'skipped' : 'wrong';
    return { kind, why: `${code}: ${message}` };
  }
}

/** True where nothing was found wrong. */
export const isSound = ({ missing, corrupt, notFinite: odd, step }: VerifyResult): boolean =>
  missing.length + corrupt.length + odd.length === 0 && step.kind !== 'wrong';

/** The result in a line for people. */
export function verifyLine(result: VerifyResult): string {
  const { id, chunks, missing, corrupt, step } = result;
  if (missing.length + corrupt.length > 0) {
    return `${id}: ${missing.length} of ${chunks} chunks missing, ${corrupt.length} corrupt`;
  }
  const [first, ...others] = result.notFinite;
  if (first !== undefined) {
    const more = others.length > 0 ? ` and ${others.length} tensors more` : '';
    return `${id}: ${chunks} chunks are right, but ${first}${more} has weights that are no finite numbers`;
  }
  switch (step.kind) {
    case 'sound':
      return `${id}: ${chunks} chunks and a step of the model, all right`;
    case 'skipped':
      return `${id}: ${chunks} chunks, all right; no step was computed (${step.why})`;
    case 'wrong':
      return `${id}: ${chunks} chunks are right, but a step of the model is not: ${step.why}`;
  }
}
