import { invariant } from '#lib/kernel/assert.ts';
import { AMOUNT_MICRO_MAX, TIME_MS_MAX } from '../limits.ts';
import { malformed, type Cbor } from './cbor.ts';

/**
 * What a place in an array may hold. `read` takes a decoded value and throws `wire/malformed`; integers
 * become bigint here, all of them: cborg gives a number or a bigint by size, and a sum of the two throws.
 */
export interface Field<T> {
  read(value: unknown): T;
  write(value: T): Cbor;
}

export const U32_MAX = 2n ** 32n - 1n;
export const U64_MAX = 2n ** 64n - 1n;

export function integer(min: bigint, max: bigint): Field<bigint> {
  return {
    read: (value) => {
      if (typeof value !== 'number' && typeof value !== 'bigint') throw malformed('not an integer');
      const number = BigInt(value);
      if (number < min || number > max) throw malformed(`not between ${min} and ${max}`);
      return number;
    },
    write: (value) => {
      invariant(value >= min && value <= max, `an integer between ${min} and ${max}`);
      return value;
    },
  };
}

export const u32 = integer(0n, U32_MAX);
export const u64 = integer(0n, U64_MAX);
/** Milliseconds since 1970. */
export const instant = integer(0n, TIME_MS_MAX);
export const amount = integer(1n, AMOUNT_MICRO_MAX);
export const amountOrZero = integer(0n, AMOUNT_MICRO_MAX);

export function bytesOf(min: number, max = min): Field<Uint8Array> {
  const fits = (value: Uint8Array) => value.length >= min && value.length <= max;
  return {
    read: (value) => {
      if (!(value instanceof Uint8Array) || !fits(value)) {
        throw malformed(`not ${min} to ${max} bytes`);
      }
      return value;
    },
    write: (value) => {
      invariant(fits(value), `${min} to ${max} bytes`);
      return value;
    },
  };
}

export const hash = bytesOf(32);
export const key = bytesOf(32);
export const signature = bytesOf(64);

/** 32 bytes, or none at all: null. */
export const optionalHash: Field<Uint8Array | null> = {
  read: (value) => {
    const bytes = bytesOf(0, 32).read(value);
    if (bytes.length !== 0 && bytes.length !== 32) throw malformed('neither 0 nor 32 bytes');
    return bytes.length === 0 ? null : bytes;
  },
  write: (value) => value ?? new Uint8Array(0),
};

export function listOf<T>(item: Field<T>, min: number, max: number): Field<readonly T[]> {
  const fits = (length: number) => length >= min && length <= max;
  return {
    read: (value) => {
      if (!Array.isArray(value) || !fits(value.length)) {
        throw malformed(`not a list of ${min} to ${max}`);
      }
      return value.map((each) => item.read(each));
    },
    write: (value) => {
      invariant(fits(value.length), `a list of ${min} to ${max}`);
      return value.map((each) => item.write(each));
    },
  };
}

/** What a tuple's fields hold together. */
export type ValueOf<F> = {
  readonly [Name in keyof F]: F[Name] extends Field<infer T> ? T : never;
};

export interface Tuple<T> extends Field<T> {
  write(value: T): readonly Cbor[];
}

/** An array of fixed length, its places named in order. */
export function tuple<F extends Readonly<Record<string, Field<unknown>>>>(
  fields: F,
): Tuple<ValueOf<F>> {
  const entries = Object.entries(fields);
  return {
    read: (value) => {
      if (!Array.isArray(value) || value.length !== entries.length) {
        throw malformed(`not an array of ${entries.length}`);
      }
      const read: Record<string, unknown> = {};
      entries.forEach(([name, field], i) => (read[name] = field.read(value[i])));
      return read as ValueOf<F>;
    },
    write: (value) =>
      entries.map(([name, field]) => field.write((value as Record<string, unknown>)[name])),
  };
}
