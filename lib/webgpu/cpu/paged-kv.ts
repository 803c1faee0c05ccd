import { invariant, must } from '#lib/kernel/assert.ts';
import type { KvId } from '../stage.ts';
import { PagePool } from './page-pool.ts';

interface Cache {
  length: number;
  /** Page numbers in order of position; exactly as many as `length` needs. */
  readonly pages: number[];
}

/** A page whose content goes to another before a step: its first holder-to-be writes there. */
export interface PageCopy {
  readonly from: number;
  readonly to: number;
}

interface Append {
  readonly kv: KvId;
  readonly rows: number;
}

/**
 * Which pages hold which session's positions: accounting only, no memory. A whole page may belong
 * to several caches (prefix sharing); one that others hold, too, is never written (S3).
 */
export class PagedKv {
  readonly pagePositions: number;
  readonly #pool: PagePool;
  readonly #caches = new Map<KvId, Cache>();
  #nextId: KvId = 1;

  /** `together`: for so many pages at a time there is memory. */
  constructor(pagePositions: number, pagesMax: number, together = 1) {
    this.pagePositions = pagePositions;
    this.#pool = new PagePool(pagesMax, together);
  }

  pagesFree(): number {
    return this.#pool.free();
  }

  /** Pages that somebody has written to. */
  pagesTouched(): number {
    return this.#pool.touched();
  }

  /** Pages that memory must hold when `pages` more are taken. */
  pagesMadeAfter(pages: number): number {
    return this.#pool.madeAfter(pages);
  }

  open(): KvId {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#caches.set(id, { length: 0, pages: [] });
    return id;
  }

  has(kv: KvId): boolean {
    return this.#caches.has(kv);
  }

  length(kv: KvId): number {
    return this.#cache(kv).length;
  }

  pages(kv: KvId): readonly number[] {
    return this.#cache(kv).pages;
  }

  /** Pages that a step would take: for new positions, and for copies of shared pages. */
  pagesMissing(appends: readonly Append[]): number {
    let missing = 0;
    const writers = new Map<number, number>();
    for (const { kv, rows } of appends) {
      const cache = this.#cache(kv);
      missing += this.#pagesFor(cache.length + rows) - cache.pages.length;
      const page = this.#partial(cache);
      if (page !== null) writers.set(page, (writers.get(page) ?? 0) + 1);
    }
    // Where all holders write, the last one has the page for itself.
    for (const [page, count] of writers) missing += Math.min(count, this.#pool.holders(page) - 1);
    return missing;
  }

  /**
   * Makes room for `rows` more positions; the caller has seen that enough pages are free. Where the
   * last page is a shared one it becomes another: the caller copies it before it writes.
   */
  append(kv: KvId, rows: number): PageCopy | null {
    const cache = this.#cache(kv);
    const copy = this.#own(cache);
    const missing = this.#pagesFor(cache.length + rows) - cache.pages.length;
    for (let i = 0; i < missing; i += 1) {
      cache.pages.push(this.#pool.take(cache.pages.at(-1) ?? null));
    }
    cache.length += rows;
    return copy;
  }

  /** Forgets positions ≥ `length` (S3); pages that nobody holds and no key names are free again. */
  truncate(kv: KvId, length: number): void {
    const cache = this.#cache(kv);
    invariant(length >= 0 && length <= cache.length, 'a KV cache is never truncated upwards');
    cache.length = length;
    // From the end: of a prefix that is no longer used, what lies last is evicted first.
    const dropped = cache.pages.splice(this.#pagesFor(length)).reverse();
    for (const page of dropped) this.#pool.release(page);
  }

  close(kv: KvId): void {
    this.truncate(kv, 0);
    this.#caches.delete(kv);
  }

  /** An empty cache begins with the pages of these keys, as far as they are here. */
  share(kv: KvId, keys: readonly string[]): number {
    const cache = this.#cache(kv);
    invariant(cache.length === 0, 'only an empty KV cache begins with what is there');
    for (const key of keys) {
      const page = this.#pool.find(key);
      if (page === null) break;
      this.#pool.hold(page);
      cache.pages.push(page);
    }
    cache.length = cache.pages.length * this.pagePositions;
    return cache.length;
  }

  /**
   * Names whole pages from `firstPage` on. A key that is taken already names an equal page: the cache
   * takes that one, and its own is free.
   */
  keep(kv: KvId, firstPage: number, keys: readonly string[]): void {
    const { pages, length } = this.#cache(kv);
    const whole = Math.floor(length / this.pagePositions);
    invariant(firstPage + keys.length <= whole, 'only whole pages are kept');
    keys.forEach((key, i) => {
      const at = firstPage + i;
      const own = must(pages[at], 'a page for every position');
      const known = this.#pool.find(key);
      if (known === own || this.#pool.hasKey(own)) return;
      if (known === null) {
        this.#pool.name(own, key);
        return;
      }
      this.#pool.hold(known);
      this.#pool.release(own);
      pages[at] = known;
    });
  }

  /** The last page is about to be written: nobody else may hold or find it. */
  #own(cache: Cache): PageCopy | null {
    const page = this.#partial(cache);
    if (page === null) return null;
    if (this.#pool.holders(page) === 1) {
      this.#pool.unname(page);
      return null;
    }
    const to = this.#pool.take(cache.pages.at(-2) ?? null);
    this.#pool.release(page);
    cache.pages[cache.pages.length - 1] = to;
    return { from: page, to };
  }

  /** The page that the next position lies in; null where it begins a page of its own. */
  #partial({ length, pages }: Cache): number | null {
    return length % this.pagePositions === 0 ? null : must(pages.at(-1), 'a page for a position');
  }

  #pagesFor(positions: number): number {
    return Math.ceil(positions / this.pagePositions);
  }

  #cache(kv: KvId): Cache {
    return must(this.#caches.get(kv), `KV cache ${kv} is open`);
  }
}
