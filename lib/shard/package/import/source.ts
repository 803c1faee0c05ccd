import { FaultError } from '#lib/kernel/errors.ts';
import type { ModelShape, PartKey, TensorName, TensorType } from '#lib/webgpu/model.ts';
import { expectedParts, isVectorType, type ExpectedTensor } from '../layout.ts';
import type { OnBytes } from './byte-file.ts';

/** A tensor of a source, in the package's types, names and row order. */
export interface SourceTensor {
  readonly name: TensorName;
  readonly type: TensorType;
  readonly rows: number;
  readonly cols: number;
  /** Its bytes in order, in pieces of bounded size. */
  read(): AsyncIterable<Uint8Array>;
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
export interface ModelSource {
  readonly kind: 'gguf' | 'safetensors';
  readonly shape: ModelShape;
  readonly tokenizer: SourceTokenizer;
  readonly chatTemplate: string | null;
  /** As the source names it itself. */
  readonly licence: string | null;
  /** In package order; see `expectedParts`. */
  readonly parts: readonly SourcePart[];
  /** Bytes that {@link sha256} reads. */
  readonly bytes: number;
  /** Identity of the source: of one file its SHA-256, of a folder that of its files' digests. */
  sha256(onBytes: OnBytes, signal?: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

/** Where one tensor lies in a source file. */
export interface FoundTensor {
  readonly type: TensorType;
  readonly rows: number;
  readonly cols: number;
  read(): AsyncIterable<Uint8Array>;
}

/**
 * Every tensor the shape asks for, found by `find` under the source's own names.
 * @throws FaultError `package/malformed` for a missing or misshapen tensor,
 *   `package/unsupported` for a vector in a block format.
 */
export function collectParts(
  shape: ModelShape,
  find: (key: PartKey, expected: ExpectedTensor) => FoundTensor | undefined,
): SourcePart[] {
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
      if (rows === 1 && !isVectorType(found.type)) {
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
