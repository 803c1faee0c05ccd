import * as z from 'zod/mini';
import { FaultError } from '#lib/kernel/errors.ts';
import { IMPORT, PACKAGE } from '../limits.ts';
import { refuseOverlap } from './extents.ts';
import type { ByteFile } from './byte-file.ts';

/** Bytes of the safetensors types we read. */
export const SAFETENSORS_TYPES = { F32: 4, F16: 2, BF16: 2 } as const;
export type SafetensorsType = keyof typeof SAFETENSORS_TYPES;

export interface SafetensorsTensor {
  readonly name: string;
  readonly type: SafetensorsType;
  readonly rows: number;
  readonly cols: number;
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

const PREFIX_BYTES = 8;
const offset = z.number().check(z.int(), z.gte(0));
const entrySchema = z.object({
  dtype: z.string().check(z.maxLength(32)),
  shape: z.array(z.number().check(z.int(), z.gte(0))).check(z.maxLength(8)),
  data_offsets: z.tuple([offset, offset]),
});
const NAME_CHARS_MAX = 1024;

const malformed = (message: string): FaultError => new FaultError('package/malformed', message);

/**
 * The tensors of one safetensors file: u64 header length, JSON, bytes that the tensors fill whole.
 * @throws FaultError `package/malformed`, `package/unsupported` (type), `package/too-large`.
 */
export async function readSafetensorsHeader(file: ByteFile): Promise<SafetensorsTensor[]> {
  const prefix = new DataView((await file.read(0, PREFIX_BYTES)).buffer);
  const length = Number(prefix.getBigUint64(0, true));
  if (length > IMPORT.safetensorsHeaderBytesMax) {
    throw new FaultError('package/too-large', `${file.name}: a header of ${length} bytes`);
  }
  const header = parseJson(await file.read(PREFIX_BYTES, length));
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw malformed(`${file.name}: the header is no JSON object`);
  }
  // Not by a schema of records: that passes over a tensor called `__proto__`.
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  if (entries.some(([name]) => name.length > NAME_CHARS_MAX)) {
    throw malformed(`${file.name}: the name of a tensor is longer than ${NAME_CHARS_MAX}`);
  }
  if (entries.length > IMPORT.tensorsMax) {
    throw new FaultError('package/too-large', `${file.name} has ${entries.length} tensors`);
  }
  const start = PREFIX_BYTES + length;
  const tensors = entries.map(([name, entry]) => readEntry(name, entry, start));
  checkFilled(file, tensors, start);
  return tensors;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FaultError('package/malformed', 'the header is not JSON', { cause });
  }
}

function readEntry(name: string, entry: unknown, start: number): SafetensorsTensor {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) throw malformed(`tensor ${name} is not described as a tensor`);
  const { dtype, shape, data_offsets } = parsed.data;
  if (!isType(dtype)) {
    throw new FaultError('package/unsupported', `tensor ${name} is of type ${dtype}`);
  }
  const [rows = 0, cols = 0] = shape.length === 1 ? [1, ...shape] : shape;
  if (shape.length > 2 || ![rows, cols].every((dim) => dim >= 1 && dim <= PACKAGE.dimensionMax)) {
    throw malformed(`tensor ${name} is [${shape.join()}]`);
  }
  const bytes = rows * cols * SAFETENSORS_TYPES[dtype];
  if (data_offsets[1] - data_offsets[0] !== bytes) {
    throw malformed(`tensor ${name}: its offsets do not hold its shape`);
  }
  const offset = start + data_offsets[0];
  return { name, type: dtype, rows, cols, offset, bytes };
}

const isType = (name: string): name is SafetensorsType => Object.hasOwn(SAFETENSORS_TYPES, name);

/** The format forbids holes and trailing bytes: a file that was cut or glued is noticed here. */
function checkFilled(file: ByteFile, tensors: readonly SafetensorsTensor[], start: number): void {
  const extents = tensors.map(({ name, offset, bytes }) => ({
    name,
    start: offset,
    end: offset + bytes,
  }));
  let end = start;
  for (const extent of refuseOverlap(extents, file.size)) {
    if (extent.start !== end) throw malformed(`${file.name}: a hole before ${extent.name}`);
    end = extent.end;
  }
  if (end !== file.size) throw malformed(`${file.name}: bytes that no tensor owns`);
}
