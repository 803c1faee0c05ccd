import { join } from 'node:path';
import { sha256HexFast } from '#lib/kernel/digest.ts';
import { toFault } from '#lib/kernel/errors.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { CHUNKS_FOLDER } from '#lib/shard/package/import/importer.ts';
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
  /** Whether a step of the model was computed and sound; what stood against it. */
  readonly step: StepResult;
}

export type StepResult =
  | { readonly kind: 'sound' }
  /** Chunks are missing, or the CPU engine does not compute such a model. */
  | { readonly kind: 'skipped'; readonly why: string }
  | { readonly kind: 'wrong'; readonly why: string };

/** Reads and hashes every chunk of a package, then computes a step with it. */
export async function verifyModel(model: RegisteredModel): Promise<VerifyResult> {
  const store = fsChunkStore(join(model.folder, CHUNKS_FOLDER));
  const missing: string[] = [];
  const corrupt: string[] = [];
  const hashes = hashesOf(model.manifest);
  for (const hash of hashes) {
    const bytes = await store.read(hash);
    if (!bytes) missing.push(hash);
    else if ((await sha256HexFast(bytes)) !== hash) corrupt.push(hash);
  }
  const { folder, manifest } = model;
  const isWhole = missing.length + corrupt.length === 0;
  const step: StepResult = isWhole
    ? await stepOf(model)
    : { kind: 'skipped', why: 'chunks are missing or corrupt' };
  return { id: manifest.id, folder, chunks: hashes.size, missing, corrupt, step };
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
export const isSound = ({ missing, corrupt, step }: VerifyResult): boolean =>
  missing.length + corrupt.length === 0 && step.kind !== 'wrong';

/** The result in a line for people. */
export function verifyLine({ id, chunks, missing, corrupt, step }: VerifyResult): string {
  if (missing.length + corrupt.length > 0) {
    return `${id}: ${missing.length} of ${chunks} chunks missing, ${corrupt.length} corrupt`;
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
