import { FaultError } from '#lib/kernel/errors.ts';
import { IMPORT } from '../limits.ts';
import { GgufCursor } from './gguf-cursor.ts';

/** GGUF metadata values; 64-bit integers that fit a number, arrays of one type. */
export type GgufValue = number | boolean | string | readonly (number | boolean | string)[];

export interface GgufTensor {
  readonly name: string;
  /** ggml's number of the type. */
  readonly type: number;
  /** Innermost first, as in the file: [columns, rows]. */
  readonly dims: readonly number[];
  /** From the start of the file. */
  readonly offset: number;
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
}

const MAGIC = 0x46554747;
const STRING = 8;
const ARRAY = 9;

/**
 * The header of a GGUF file, version 2 or 3, little-endian (ggml `docs/gguf.md`).
 * `bytes` is the start of the file, at least its whole header.
 * @throws FaultError `package/malformed`, `package/unsupported` (another version).
 */
export function parseGgufHeader(bytes: Uint8Array): GgufHeader {
  const cursor = new GgufCursor(bytes);
  if (cursor.u32() !== MAGIC) throw new FaultError('package/malformed', 'this is no GGUF file');
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    throw new FaultError('package/unsupported', `GGUF version ${version}`);
  }
  const tensorCount = cursor.count(IMPORT.tensorsMax, 'tensors');
  const keyCount = cursor.count(IMPORT.ggufKeysMax, 'metadata keys');
  const metadata = readMetadata(cursor, keyCount);
  const relative = readTensors(cursor, tensorCount);
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !isAlignment(alignment)) {
    throw new FaultError('package/malformed', 'GGUF alignment is no power of two from 8 to 65536');
  }
  const start = Math.ceil(cursor.offset / alignment) * alignment;
  return { metadata, tensors: relative.map((tensor) => place(tensor, start, alignment)) };
}

const isAlignment = (value: number): boolean =>
  value >= 8 && value <= 65_536 && Number.isInteger(Math.log2(value));

function place(tensor: GgufTensor, start: number, alignment: number): GgufTensor {
  if (tensor.offset % alignment !== 0) {
    throw new FaultError('package/malformed', `tensor ${tensor.name} is not aligned`);
  }
  return { ...tensor, offset: start + tensor.offset };
}

function readMetadata(cursor: GgufCursor, count: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i += 1) {
    const key = cursor.string(IMPORT.ggufKeyBytesMax);
    if (metadata.has(key)) throw new FaultError('package/malformed', `key ${key} comes twice`);
    const type = cursor.u32();
    metadata.set(key, type === ARRAY ? readArray(cursor) : readScalar(cursor, type));
  }
  return metadata;
}

function readArray(cursor: GgufCursor): (number | boolean | string)[] {
  const type = cursor.u32();
  if (type === ARRAY) throw new FaultError('package/unsupported', 'GGUF arrays of arrays');
  const count = cursor.count(IMPORT.ggufArrayItemsMax, 'array items');
  const items: (number | boolean | string)[] = [];
  for (let i = 0; i < count; i += 1) items.push(readScalar(cursor, type));
  return items;
}

function readScalar(cursor: GgufCursor, type: number): number | boolean | string {
  if (type === STRING) return cursor.string(IMPORT.ggufStringBytesMax);
  return cursor.number(type);
}

function readTensors(cursor: GgufCursor, count: number): GgufTensor[] {
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i += 1) {
    const name = cursor.string(IMPORT.ggufKeyBytesMax);
    if (names.has(name)) throw new FaultError('package/malformed', `tensor ${name} comes twice`);
    names.add(name);
    const dimCount = cursor.u32();
    if (dimCount < 1 || dimCount > 4) {
      throw new FaultError('package/malformed', `tensor ${name} has ${dimCount} dimensions`);
    }
    const dims = Array.from({ length: dimCount }, () => cursor.u64());
    tensors.push({ name, dims, type: cursor.u32(), offset: cursor.u64() });
  }
  return tensors;
}
