import type { ModelId } from '#lib/kernel/ids.ts';
import { checkManifest, dominantType } from '../check-manifest.ts';
import { alignTensor, tensorBytes } from '../layout.ts';
import { PACKAGE } from '../limits.ts';
import type { Manifest, ManifestTensor } from '../manifest.ts';
import { compileTemplate } from '../chat-template.ts';
import { loadTokenizer } from '../tokenizer.ts';
import type { ModelSource, SourcePart } from './source.ts';

export interface DraftOptions {
  readonly id: ModelId;
  readonly sha256: string;
  readonly name?: string | undefined;
  readonly licence?: string | undefined;
}

/**
 * The manifest a source will get, with placeholders for the chunks' hashes: everything that can be
 * wrong with a model is found here, before a byte is written.
 * @throws FaultError `package/unsupported`, `package/malformed`, `package/too-large`.
 */
export function draftManifest(source: ModelSource, options: DraftOptions): Manifest {
  const names = placeholderHashes();
  const parts = source.parts.map((part) => {
    const tensors = placeTensors(part);
    const bytes = Math.max(...tensors.map((tensor) => tensor.offset + tensor.bytes));
    return { key: part.key, bytes, tensors, chunks: cutChunks(bytes, names) };
  });
  const { bytes, ...tokenizer } = source.tokenizer;
  const draft = checkManifest({
    format: 'declai/model/1',
    id: options.id,
    name: options.name ?? options.id,
    licence: options.licence ?? source.licence ?? 'unknown',
    source: { kind: source.kind, sha256: options.sha256 },
    shape: source.shape,
    quantisation: dominantType(parts),
    tokenizer: { ...tokenizer, bytes: bytes.length, chunks: cutChunks(bytes.length, names) },
    chatTemplate: source.chatTemplate,
    parts,
  });
  loadTokenizer(draft, bytes);
  if (draft.chatTemplate !== null) compileTemplate(draft.chatTemplate);
  return draft;
}

/** Tensors in order, each at the next aligned offset. */
function placeTensors(part: SourcePart): ManifestTensor[] {
  let end = 0;
  return part.tensors.map(({ name, type, rows, cols }) => {
    const offset = alignTensor(end);
    const bytes = tensorBytes(type, rows, cols);
    end = offset + bytes;
    return { name, type, rows, cols, offset, bytes };
  });
}

/** Chunks of the largest size and a rest. */
function cutChunks(bytes: number, names: () => string): { sha256: string; bytes: number }[] {
  const chunks: { sha256: string; bytes: number }[] = [];
  for (let left = bytes; left > 0; left -= PACKAGE.chunkBytesMax) {
    chunks.push({ sha256: names(), bytes: Math.min(left, PACKAGE.chunkBytesMax) });
  }
  return chunks;
}

/** No two alike: one name with two lengths would be refused. */
function placeholderHashes(): () => string {
  let index = 0;
  return () => {
    index += 1;
    return index.toString(16).padStart(64, '0');
  };
}
