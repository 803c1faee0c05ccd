import { FaultError } from '#lib/kernel/errors.ts';

/** What is wrong with bytes from outside: never thrown past `decodeMessage`. */
export const malformed = (what: string): FaultError => new FaultError('wire/malformed', what);

const NOTHING = new Uint8Array(0);
const SPARE_BYTES_MAX = 64 * 1024;
/** Of the last writer that was done, for the next: to get memory costs more than what is mostly written. */
let spare = new Uint8Array(256);

/** Appends big-endian fields. Our own values only: bounds are the reader's to check. */
export class Writer {
  private bytes = spare;
  private length = 0;

  constructor() {
    spare = NOTHING;
  }

  /** Room for `count` more bytes, and where it begins. */
  private room(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(256, this.length, 2 * this.bytes.length));
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
    }
    return at;
  }

  u8(value: number): this {
    const at = this.room(1);
    this.bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.room(2);
    this.bytes[at] = value >>> 8;
    this.bytes[at + 1] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.room(4);
    this.bytes[at] = value >>> 24;
    this.bytes[at + 1] = value >>> 16;
    this.bytes[at + 2] = value >>> 8;
    this.bytes[at + 3] = value;
    return this;
  }

  /** A whole number below 2⁵³ in eight bytes. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 2 ** 32)).u32((value % 2 ** 32) | 0);
  }

  raw(value: Uint8Array): this {
    const at = this.room(value.length);
    this.bytes.set(value, at);
    return this;
  }

  /** u32 length, then the bytes. */
  blob(value: Uint8Array): this {
    return this.u32(value.length).raw(value);
  }

  /** u16 count, then each. */
  list<T>(items: readonly T[], write: (out: Writer, item: T) => void): this {
    this.u16(items.length);
    for (const item of items) write(this, item);
    return this;
  }

  /** Once, and last. */
  done(): Uint8Array {
    const written = this.bytes.slice(0, this.length);
    if (this.bytes.length <= SPARE_BYTES_MAX) spare = this.bytes;
    this.bytes = NOTHING;
    this.length = 0;
    return written;
  }
}

/** Takes big-endian fields from untrusted bytes; every bound is checked before anything is made. */
export class Reader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  private take(count: number): number {
    const from = this.at;
    if (count > this.bytes.length - from) throw malformed('the bytes end too soon');
    this.at += count;
    return from;
  }

  u8(): number {
    return this.bytes[this.take(1)] ?? 0;
  }

  u16(): number {
    return this.u8() * 2 ** 8 + this.u8();
  }

  u32(): number {
    return this.u16() * 2 ** 16 + this.u16();
  }

  u64(): number {
    const value = this.u32() * 2 ** 32 + this.u32();
    if (!Number.isSafeInteger(value)) throw malformed('a number is not below 2⁵³');
    return value;
  }

  /** A copy: what is kept must not keep a whole frame alive. */
  raw(count: number): Uint8Array {
    const from = this.take(count);
    return Uint8Array.prototype.slice.call(this.bytes, from, from + count);
  }

  blob(bytesMax: number): Uint8Array {
    const length = this.u32();
    if (length > bytesMax) throw malformed('a field is too long');
    return this.raw(length);
  }

  list<T>(countMax: number, read: (from: Reader) => T): T[] {
    const count = this.u16();
    if (count > countMax) throw malformed('a list is too long');
    const items: T[] = [];
    for (let i = 0; i < count; i += 1) items.push(read(this));
    return items;
  }

  end(): void {
    if (this.at !== this.bytes.length) throw malformed('bytes follow the end');
  }
}

/** Refuses lists that are not strictly ascending: one order, nobody twice. */
export function ascending<T>(items: readonly T[], of: (item: T) => number): readonly T[] {
  for (let i = 1; i < items.length; i += 1) {
    const [before, here] = [items[i - 1], items[i]];
    if (before !== undefined && here !== undefined && of(before) >= of(here)) {
      throw malformed('a list is not in ascending order');
    }
  }
  return items;
}
