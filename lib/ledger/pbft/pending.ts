import type { InstantMs } from '#lib/kernel/units.ts';

export interface Pending {
  readonly id: string;
  readonly request: Uint8Array;
  readonly link: string;
  readonly at: InstantMs;
  readonly isRelayed: boolean;
}

/** What lists that grew out of one another share: each sees as many of the entries as it has. */
interface Shared {
  readonly entries: Pending[];
  /** By id, where it stands among the entries. */
  readonly places: Map<string, number>;
  /** By link, how many there are of it. */
  readonly counts: Map<string, number>;
}

/**
 * Requests that wait, oldest first. Never changed, as seen from outside: what is added or gone makes
 * another one. What is added to the newest goes into what it shares with those before, for thousands may
 * wait and a copy of them would cost as much as the signature; added to an older one, it goes into a copy.
 */
export class PendingRequests {
  static readonly NONE = new PendingRequests({ entries: [], places: new Map(), counts: new Map() });

  readonly #shared: Shared;
  readonly size: number;

  private constructor(shared: Shared) {
    this.#shared = shared;
    this.size = shared.entries.length;
  }

  /** Of different ids, oldest first. */
  static of(all: readonly Pending[]): PendingRequests {
    const counts = new Map<string, number>();
    for (const { link } of all) counts.set(link, (counts.get(link) ?? 0) + 1);
    const places = new Map(all.map(({ id }, at) => [id, at]));
    return new PendingRequests({ entries: [...all], places, counts });
  }

  get oldest(): Pending | undefined {
    return this.size > 0 ? this.#shared.entries[0] : undefined;
  }

  *keys(): Generator<string, undefined> {
    for (const { id } of this) yield id;
  }

  has(id: string): boolean {
    const at = this.#shared.places.get(id);
    return at !== undefined && at < this.size;
  }

  countOf(link: string): number {
    if (this.#isNewest) return this.#shared.counts.get(link) ?? 0;
    return [...this].filter((each) => each.link === link).length;
  }

  *[Symbol.iterator](): Generator<Pending, undefined> {
    for (let at = 0; at < this.size; at += 1) {
      const entry = this.#shared.entries[at];
      if (entry !== undefined) yield entry;
    }
  }

  /** @param added of an id that does not wait yet. */
  with(added: Pending): PendingRequests {
    // None is everybody's, and shares nothing.
    if (!this.#isNewest || this.size === 0) return PendingRequests.of([...this, added]);
    const { entries, places, counts } = this.#shared;
    places.set(added.id, entries.push(added) - 1);
    counts.set(added.link, (counts.get(added.link) ?? 0) + 1);
    return new PendingRequests(this.#shared);
  }

  /** Itself where none of them waits. */
  without(ids: readonly string[]): PendingRequests {
    const gone = new Set(ids.filter((id) => this.has(id)));
    return gone.size === 0 ? this : PendingRequests.of([...this].filter(({ id }) => !gone.has(id)));
  }

  /** Nothing was added to what it shares since it was made. */
  get #isNewest(): boolean {
    return this.#shared.entries.length === this.size;
  }
}
