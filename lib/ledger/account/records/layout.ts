import { FaultError } from '#lib/kernel/errors.ts';

/**
 * Fixed layouts of what the state holds: big-endian integers and bytes one after the other, lists with a
 * count of two bytes before them. A record has one encoding, and reading one costs a microsecond.
 */
export interface Place<T> {
  write(out: Writer, value: T): void;
  read(from: Reader): T;
}

export type RecordOf<P> = {
  readonly [Name in keyof P]: P[Name] extends Place<infer T> ? T : never;
};

const SPARE_BYTES_MAX = 64 * 1024;
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer);
/** Of the last writer that was done, for the next: to get memory costs more than what is mostly written. */
let spare: DataView | null = null;

export class Writer {
  #view = spare ?? viewOf(new Uint8Array(256));
  #bytes = new Uint8Array(this.#view.buffer);
  #length = 0;

  constructor() {
    spare = null;
  }

  /** Place for `count` bytes more. */
  room(count: number): { readonly view: DataView; readonly at: number } {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(2 * this.#length);
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return { view: this.#view, at };
  }

  bytes(value: Uint8Array): void {
    const { at } = this.room(value.length);
    this.#bytes.set(value, at);
  }

  /** Once, and last. */
  done(): Uint8Array {
    const written = this.#bytes.slice(0, this.#length);
    if (this.#bytes.length <= SPARE_BYTES_MAX) spare = this.#view;
    return written;
  }
}

/** Reads what a `Writer` wrote; throws `wire/malformed` where the bytes end too early. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(count: number): { readonly view: DataView; readonly at: number } {
    const at = this.#at;
    this.#at += count;
    if (this.#at > this.#bytes.length)
      throw new FaultError('wire/malformed', 'a record ends early');
    return { view: this.#view, at };
  }

  bytes(count: number): Uint8Array {
    const { at } = this.take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new FaultError('wire/malformed', 'a record goes on');
  }
}

export const byte: Place<number> = {
  write: (out, value) => {
    const { view, at } = out.room(1);
    view.setUint8(at, value);
  },
  read: (from) => {
    const { view, at } = from.take(1);
    return view.getUint8(at);
  },
};

export const count16: Place<number> = {
  write: (out, value) => {
    const { view, at } = out.room(2);
    view.setUint16(at, value);
  },
  read: (from) => {
    const { view, at } = from.take(2);
    return view.getUint16(at);
  },
};

/** A count, or a ledger day: days since 1970. */
export const count32: Place<number> = {
  write: (out, value) => {
    const { view, at } = out.room(4);
    view.setUint32(at, value);
  },
  read: (from) => {
    const { view, at } = from.take(4);
    return view.getUint32(at);
  },
};

/** An amount in micro, an instant in milliseconds, a sequence. */
export const long: Place<bigint> = {
  write: (out, value) => {
    const { view, at } = out.room(8);
    view.setBigUint64(at, value);
  },
  read: (from) => {
    const { view, at } = from.take(8);
    return view.getBigUint64(at);
  },
};

export const fixed = (length: number): Place<Uint8Array> => ({
  write: (out, value) => {
    if (value.length !== length) throw new RangeError(`${length} bytes have their place here`);
    out.bytes(value);
  },
  read: (from) => from.bytes(length),
});

export const hash = fixed(32);

/** Bytes after their count. */
export const blob: Place<Uint8Array> = {
  write: (out, value) => {
    count32.write(out, value.length);
    out.bytes(value);
  },
  read: (from) => from.bytes(count32.read(from)),
};

export const list = <T>(item: Place<T>): Place<readonly T[]> => ({
  write: (out, values) => {
    count16.write(out, values.length);
    for (const value of values) item.write(out, value);
  },
  read: (from) => {
    const values: T[] = [];
    for (let left = count16.read(from); left > 0; left -= 1) values.push(item.read(from));
    return values;
  },
});

/** Places one after the other, named in order. */
export function record<P extends Readonly<Record<string, Place<unknown>>>>(
  places: P,
): Place<RecordOf<P>> {
  const entries = Object.entries(places);
  return {
    write: (out, value) => {
      for (const [name, place] of entries)
        place.write(out, (value as Record<string, unknown>)[name]);
    },
    read: (from) => {
      const value: Record<string, unknown> = {};
      for (const [name, place] of entries) value[name] = place.read(from);
      return value as RecordOf<P>;
    },
  };
}
