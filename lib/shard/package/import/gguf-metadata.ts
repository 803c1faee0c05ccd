import { FaultError } from '#lib/kernel/errors.ts';
import type { GgufValue } from './gguf-header.ts';

/** Typed access to GGUF metadata. A value of another type is `package/malformed`. */
export class GgufMetadata {
  readonly #values: ReadonlyMap<string, GgufValue>;

  constructor(values: ReadonlyMap<string, GgufValue>) {
    this.#values = values;
  }

  #wrong(key: string, type: string): never {
    throw new FaultError('package/malformed', `GGUF key ${key} is missing or no ${type}`);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  number(key: string, fallback?: number): number {
    const value = this.#values.get(key) ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    return this.#wrong(key, 'finite number');
  }

  /** A whole number from 1 to `max`. */
  count(key: string, max: number, fallback?: number): number {
    const value = this.number(key, fallback);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw new FaultError('package/too-large', `GGUF key ${key} is ${value}, not 1 to ${max}`);
  }

  string(key: string): string {
    const value = this.#values.get(key);
    return typeof value === 'string' ? value : this.#wrong(key, 'string');
  }

  optionalNumber(key: string): number | null {
    return this.has(key) ? this.number(key) : null;
  }

  optionalString(key: string): string | null {
    return this.has(key) ? this.string(key) : null;
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.#values.get(key) ?? fallback;
    return typeof value === 'boolean' ? value : this.#wrong(key, 'boolean');
  }

  strings(key: string): readonly string[] {
    const value = this.#values.get(key);
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    return this.#wrong(key, 'list of strings');
  }

  numbers(key: string): readonly number[] {
    const value = this.#values.get(key);
    if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value;
    return this.#wrong(key, 'list of numbers');
  }
}
