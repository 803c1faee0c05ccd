import type { InstantMs } from '#lib/kernel/units.ts';

export interface Pending {
  readonly id: string;
  readonly request: Uint8Array;
  readonly link: string;
  readonly at: InstantMs;
  readonly isRelayed: boolean;
}

type Requests = ReadonlyMap<string, Pending>;

/** Added to at a time before all are copied: one more costs no copy of the thousands that may wait. */
const YOUNG_MAX = 64;

/** Requests that wait, oldest first. Never changed: what is added or gone makes another one. */
export class PendingRequests {
  static readonly NONE = new PendingRequests(new Map(), new Map(), new Map());

  readonly #old: Requests;
  readonly #young: Requests;
  /** By link, how many. */
  readonly #counts: ReadonlyMap<string, number>;

  private constructor(old: Requests, young: Requests, counts: ReadonlyMap<string, number>) {
    this.#old = old;
    this.#young = young;
    this.#counts = counts;
  }

  /** Of different ids, oldest first. */
  static of(all: readonly Pending[]): PendingRequests {
    const counts = new Map<string, number>();
    for (const { link } of all) counts.set(link, (counts.get(link) ?? 0) + 1);
    return new PendingRequests(new Map(all.map((each) => [each.id, each])), new Map(), counts);
  }

  get size(): number {
    return this.#old.size + this.#young.size;
  }

  get oldest(): Pending | undefined {
    const [oldest] = this.#old.size > 0 ? this.#old.values() : this.#young.values();
    return oldest;
  }

  *keys(): Generator<string, undefined> {
    yield* this.#old.keys();
    yield* this.#young.keys();
  }

  has(id: string): boolean {
    return this.#old.has(id) || this.#young.has(id);
  }

  countOf(link: string): number {
    return this.#counts.get(link) ?? 0;
  }

  *[Symbol.iterator](): Generator<Pending, undefined> {
    yield* this.#old.values();
    yield* this.#young.values();
  }

  /** @param added of an id that does not wait yet. */
  with(added: Pending): PendingRequests {
    const counts = new Map(this.#counts).set(added.link, this.countOf(added.link) + 1);
    if (this.#young.size < YOUNG_MAX) {
      return new PendingRequests(this.#old, new Map(this.#young).set(added.id, added), counts);
    }
    return new PendingRequests(
      new Map([...this.#old, ...this.#young]),
      new Map([[added.id, added]]),
      counts,
    );
  }

  /** Itself where none of them waits. */
  without(ids: readonly string[]): PendingRequests {
    const gone = new Set(ids.filter((id) => this.has(id)));
    return gone.size === 0 ? this : PendingRequests.of([...this].filter(({ id }) => !gone.has(id)));
  }
}
