import { FaultError } from '#lib/kernel/errors.ts';

const truncated = (): FaultError =>
  new FaultError('package/malformed', 'the GGUF header is cut short or larger than the limit');

/** Bytes and getters of ggml's scalar metadata types by their numbers; 7 is a boolean. */
const SCALARS: Readonly<Record<number, readonly [number, (v: DataView, at: number) => number]>> = {
  0: [1, (v, at) => v.getUint8(at)],
  1: [1, (v, at) => v.getInt8(at)],
  2: [2, (v, at) => v.getUint16(at, true)],
  3: [2, (v, at) => v.getInt16(at, true)],
  4: [4, (v, at) => v.getUint32(at, true)],
  5: [4, (v, at) => v.getInt32(at, true)],
  6: [4, (v, at) => v.getFloat32(at, true)],
  7: [1, (v, at) => v.getUint8(at)],
  10: [8, (v, at) => Number(v.getBigUint64(at, true))],
  11: [8, (v, at) => Number(v.getBigInt64(at, true))],
  12: [8, (v, at) => v.getFloat64(at, true)],
};
const BOOL = 7;

/** Reads a GGUF header forward; every length is compared with what is left before it is used. */
export class GgufCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#at;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw truncated();
    this.#at = at + length;
    return at;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A 64-bit count, size or offset: 2⁵³ and beyond are refused. */
  u64(): number {
    const value = Number(this.#view.getBigUint64(this.#take(8), true));
    if (!Number.isSafeInteger(value)) {
      throw new FaultError('package/malformed', 'a GGUF number is beyond 2^53');
    }
    return value;
  }

  /** A number of things to come; each takes at least a byte, so the bytes left bound it too. */
  count(max: number, what: string): number {
    const value = this.u64();
    if (value > max) throw new FaultError('package/too-large', `${value} ${what}, at most ${max}`);
    if (value > this.#bytes.length - this.#at) throw truncated();
    return value;
  }

  string(bytesMax: number): string {
    const length = this.u64();
    if (length > bytesMax) {
      throw new FaultError('package/malformed', `a GGUF string of ${length} bytes`);
    }
    const at = this.#take(length);
    return this.#utf8.decode(this.#bytes.subarray(at, at + length));
  }

  /** A scalar of ggml's metadata type `type`. */
  number(type: number): number | boolean {
    const scalar = SCALARS[type];
    if (!scalar) throw new FaultError('package/malformed', `GGUF value type ${type}`);
    const [length, get] = scalar;
    const value = get(this.#view, this.#take(length));
    return type === BOOL ? value !== 0 : value;
  }
}
