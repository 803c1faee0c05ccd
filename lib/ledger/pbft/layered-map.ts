/** Entries in the upper layer: more are merged into the lower one. */
const UPPER_MAX = 16;

/**
 * A map that is never changed: one entry more makes another one, which shares the lower of its two layers
 * with the one before. A slot is put anew with each vote, while hundreds stand beside it: a copy of all
 * would cost as much as the vote's signature.
 */
class LayeredMap<K, V> implements ReadonlyMap<K, V> {
  readonly #lower: ReadonlyMap<K, V>;
  /** Entries that are newer than those below, under keys that may be there, too. */
  readonly #upper: ReadonlyMap<K, V>;
  readonly size: number;

  constructor(lower: ReadonlyMap<K, V>, upper: ReadonlyMap<K, V>, size: number) {
    this.#lower = lower;
    this.#upper = upper;
    this.size = size;
  }

  get(key: K): V | undefined {
    return this.#upper.get(key) ?? this.#lower.get(key);
  }

  has(key: K): boolean {
    return this.#upper.has(key) || this.#lower.has(key);
  }

  with(key: K, value: V): LayeredMap<K, V> {
    const size = this.has(key) ? this.size : this.size + 1;
    if (this.#upper.size < UPPER_MAX || this.#upper.has(key))
      return new LayeredMap(this.#lower, new Map(this.#upper).set(key, value), size);
    return new LayeredMap(new Map(this), new Map([[key, value]]), size);
  }

  /** As of a `Map` that the same entries were put into: a key stays where it came first. */
  *entries(): MapIterator<[K, V]> {
    for (const [key, value] of this.#lower) yield [key, this.#upper.get(key) ?? value];
    for (const [key, value] of this.#upper) if (!this.#lower.has(key)) yield [key, value];
  }

  *keys(): MapIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }

  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }
}

/** The map with this entry more, or in the place of the one under its key. `map` stays as it was. */
export const withEntry = <K, V extends object>(
  map: ReadonlyMap<K, V>,
  key: K,
  value: V,
): ReadonlyMap<K, V> =>
  (map instanceof LayeredMap
    ? (map as LayeredMap<K, V>)
    : new LayeredMap(map, new Map(), map.size)
  ).with(key, value);
