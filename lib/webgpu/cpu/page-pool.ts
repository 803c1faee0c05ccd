import { invariant, must } from '#lib/kernel/assert.ts';

/**
 * The pages of one stage: accounting only, no memory. Page numbers run from 0. A page is free, held
 * by one cache or more, or _idle_: whole, found by its key, held by nobody. Idle pages count as
 * free: the one that was not used for longest goes when nothing else is left.
 */
export class PagePool {
  readonly pagesMax: number;
  /** Pages that have been used at least once. */
  #made = 0;
  readonly #free: number[] = [];
  /** By page: how many caches hold it. */
  readonly #holders: number[] = [];
  /** By page; the two maps are each other's inverse. */
  readonly #keys = new Map<number, string>();
  readonly #pages = new Map<string, number>();
  /** Least recently held first. */
  readonly #idle = new Set<number>();

  constructor(pagesMax: number) {
    this.pagesMax = pagesMax;
  }

  free(): number {
    return this.pagesMax - this.#made + this.#free.length + this.#idle.size;
  }

  /** Pages that memory must hold when `pages` more are taken: idle ones go last of all. */
  madeAfter(pages: number): number {
    return Math.min(this.pagesMax, this.#made + Math.max(0, pages - this.#free.length));
  }

  /** A page for one holder, its content whatever it was. */
  take(): number {
    invariant(this.free() > 0, 'pages are counted before they are taken');
    const page = this.#free.pop() ?? (this.#made < this.pagesMax ? this.#make() : this.#evict());
    this.#holders[page] = 1;
    return page;
  }

  /** One more holder of a page that is held or idle. */
  hold(page: number): void {
    this.#idle.delete(page);
    this.#holders[page] = this.holders(page) + 1;
  }

  release(page: number): void {
    const left = this.holders(page) - 1;
    invariant(left >= 0, 'who releases a page has held it');
    this.#holders[page] = left;
    if (left > 0) return;
    if (this.#keys.has(page)) this.#idle.add(page);
    else this.#free.push(page);
  }

  holders(page: number): number {
    return this.#holders[page] ?? 0;
  }

  find(key: string): number | null {
    return this.#pages.get(key) ?? null;
  }

  hasKey(page: number): boolean {
    return this.#keys.has(page);
  }

  /** The page, whole from now on, is found by a key that no other page has. */
  name(page: number, key: string): void {
    invariant(!this.#keys.has(page) && !this.#pages.has(key), 'a page has one key, a key one page');
    this.#keys.set(page, key);
    this.#pages.set(key, page);
  }

  /** Its holder writes to it: nobody finds it any more. */
  unname(page: number): void {
    const key = this.#keys.get(page);
    if (key === undefined) return;
    this.#keys.delete(page);
    this.#pages.delete(key);
  }

  #make(): number {
    this.#made += 1;
    return this.#made - 1;
  }

  #evict(): number {
    const [oldest] = this.#idle;
    const page = must(oldest, 'a page is idle');
    this.#idle.delete(page);
    this.unname(page);
    return page;
  }
}
