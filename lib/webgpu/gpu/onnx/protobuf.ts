import { utf8 } from '#lib/kernel/bytes.ts';

/**
 * The part of protobuf's wire format that ONNX needs (protobuf.dev, "Encoding"): a message is a
 * list of fields, a field is a tag (number × 8 + wire type) and a value. Readers accept any order.
 */
export type Field = readonly number[] | Uint8Array;
export type Message = readonly Field[];

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

/** Seven bits a byte, the lowest first; safe integers ≥ 0, and −1 … as 64-bit two's complement. */
function varint(value: number): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

const tag = (field: number, wireType: number): number[] => varint(field * 8 + wireType);

/** int32, int64, bool and enum fields. */
export const int = (field: number, value: number): Field => [
  ...tag(field, VARINT),
  ...varint(value),
];

/** A repeated int64 field, packed. */
export const ints = (field: number, values: readonly number[]): Field =>
  bytes(field, Uint8Array.from(values.flatMap(varint)));

/** A float field: four bytes, little-endian. */
export function float(field: number, value: number): Field {
  const word = new DataView(new ArrayBuffer(4));
  word.setFloat32(0, value, true);
  return [...tag(field, FIXED32), ...new Uint8Array(word.buffer)];
}

export function bytes(field: number, value: Uint8Array): Field {
  const head = [...tag(field, BYTES), ...varint(value.length)];
  const out = new Uint8Array(head.length + value.length);
  out.set(head);
  out.set(value, head.length);
  return out;
}

export const text = (field: number, value: string): Field => bytes(field, utf8(value));

export const message = (field: number, fields: Message): Field => bytes(field, encode(fields));

/** The bytes of a message. */
export function encode(fields: Message): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(fields.reduce((sum, field) => sum + field.length, 0));
  let at = 0;
  for (const field of fields) {
    out.set(field, at);
    at += field.length;
  }
  return out;
}
