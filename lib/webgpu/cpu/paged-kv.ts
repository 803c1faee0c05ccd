import { invariant, must } from '#lib/kernel/assert.ts';
import type { KvId } from '../stage.ts';

interface Cache {
  length: number;
  /** Page numbers in order of position; exactly as many as `length` needs. */
  readonly pages: number[];
}

/**
 * Which pages hold which session's positions: accounting only, no memory. Page numbers run from 0;
 * a page belongs to one cache or is free. `made` pages have been used at least once.
 */
export class PagedKv {
  readonly pagePositions: number;
  readonly pagesMax: number;
  readonly #caches = new Map<KvId, Cache>();
  readonly #free: number[] = [];
  #made = 0;
  #nextId: KvId = 1;

  constructor(pagePositions: number, pagesMax: number) {
    this.pagePositions = pagePositions;
    this.pagesMax = pagesMax;
  }

  pagesFree(): number {
    return this.pagesMax - this.#made + this.#free.length;
  }

  /** Pages that memory must hold when `pages` more are taken. */
  pagesMadeAfter(pages: number): number {
    return this.#made + Math.max(0, pages - this.#free.length);
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

  /** Pages that `rows` more positions would take. */
  pagesMissing(kv: KvId, rows: number): number {
    const cache = this.#cache(kv);
    return Math.ceil((cache.length + rows) / this.pagePositions) - cache.pages.length;
  }

  /** Makes room for `rows` more positions; the caller has seen that enough pages are free. */
  append(kv: KvId, rows: number): void {
    const cache = this.#cache(kv);
    const missing = this.pagesMissing(kv, rows);
    invariant(missing <= this.pagesFree(), 'pages are counted before they are taken');
    for (let i = 0; i < missing; i += 1) cache.pages.push(this.#takePage());
    cache.length += rows;
  }

  /** Forgets positions ≥ `length` (S3); pages with nothing left are free again. */
  truncate(kv: KvId, length: number): void {
    const cache = this.#cache(kv);
    invariant(length >= 0 && length <= cache.length, 'a KV cache is never truncated upwards');
    cache.length = length;
    const kept = Math.ceil(length / this.pagePositions);
    this.#free.push(...cache.pages.splice(kept).reverse());
  }

  close(kv: KvId): void {
    this.truncate(kv, 0);
    this.#caches.delete(kv);
  }

  #takePage(): number {
    const page = this.#free.pop();
    if (page !== undefined) return page;
    this.#made += 1;
    return this.#made - 1;
  }

  #cache(kv: KvId): Cache {
    return must(this.#caches.get(kv), `KV cache ${kv} is open`);
  }
}
