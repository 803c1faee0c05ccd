import { FaultError } from '#lib/kernel/errors.ts';
import type { ModelShape, PartKey, TensorName, TensorType } from '#lib/webgpu/model.ts';
import { expectedParts, type ExpectedTensor } from '../layout.ts';
import type { OnBytes } from './byte-file.ts';
import type { LossReport } from './losses.ts';
import { isPlainType, type SourceType } from './source-types.ts';

/** Where one tensor lies in a file. */
export interface FoundTensor {
  readonly type: SourceType;
  readonly rows: number;
  readonly cols: number;
  /** Its bytes in order, in the package's row order, in pieces of whole rows and bounded size. */
  read(): AsyncIterable<Uint8Array>;
}

/** A tensor of a file, under the package's name for it. */
export interface FileTensor extends FoundTensor {
  readonly name: TensorName;
}
export interface FilePart {
  readonly key: PartKey;
  readonly tensors: readonly FileTensor[];
}

/** A tensor as a package stores it. */
export interface SourceTensor extends FileTensor {
  readonly type: TensorType;
}
export interface SourcePart {
  readonly key: PartKey;
  readonly tensors: readonly SourceTensor[];
}

export interface SourceTokenizer {
  readonly bosId: number | null;
  readonly addBos: boolean;
  readonly eosIds: readonly number[];
  /** UTF-8 JSON `{tokenizer, config}`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A model in a format of others, checked whole before the importer writes a byte. */
export interface FileSource {
  readonly kind: 'gguf' | 'safetensors';
  readonly shape: ModelShape;
  readonly tokenizer: SourceTokenizer;
  readonly chatTemplate: string | null;
  /** As the source names it itself. */
  readonly licence: string | null;
  /** In package order; see `expectedParts`. */
  readonly parts: readonly FilePart[];
  /** Bytes that {@link sha256} reads. */
  readonly bytes: number;
  /** Identity of the source: of one file its SHA-256, of a folder that of its files' digests. */
  sha256(onBytes: OnBytes, signal?: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

/** The same, its tensors in the formats that were asked for. */
export interface ModelSource extends Omit<FileSource, 'parts'> {
  readonly parts: readonly SourcePart[];
  /** What the conversions cost; whole once every tensor was read. */
  losses(): LossReport;
}

/**
 * Every tensor the shape asks for, found by `find` under the source's own names.
 * @throws FaultError `package/malformed` for a missing or misshapen tensor,
 *   `package/unsupported` for a vector in a block format.
 */
export function collectParts(
  shape: ModelShape,
  find: (key: PartKey, expected: ExpectedTensor) => FoundTensor | undefined,
): FilePart[] {
  return expectedParts(shape).map(({ key, tensors }) => ({
    key,
    tensors: tensors.map((expected) => {
      const { name, rows, cols } = expected;
      const found = find(key, expected);
      if (!found) throw new FaultError('package/malformed', `the source has no ${key} ${name}`);
      if (found.rows !== rows || found.cols !== cols) {
        const what = `${key} ${name} is [${found.rows}, ${found.cols}], not [${rows}, ${cols}]`;
        throw new FaultError('package/malformed', what);
      }
      if (rows === 1 && !isPlainType(found.type)) {
        throw new FaultError('package/unsupported', `${key} ${name} stored as ${found.type}`);
      }
      return { name, type: found.type, rows, cols, read: () => found.read() };
    }),
  }));
}

/** @throws FaultError `package/unsupported` naming the first tensor nobody asked for. */
export function refuseUnused(names: Iterable<string>, used: ReadonlySet<string>): void {
  for (const name of names) {
    if (!used.has(name))
      throw new FaultError('package/unsupported', `tensor ${name.slice(0, 200)}`);
  }
}
