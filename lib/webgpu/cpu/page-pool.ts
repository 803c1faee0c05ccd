import { invariant, must } from '#lib/kernel/assert.ts';

/**
 * A session that begins, or finds the page after its last taken, goes where so many pages in a row are
 * free: who comes next begins behind them, and leaves it room to go on in one piece. What two sessions
 * took page by page in turns is read at half the speed.
 */
const RUN_PAGES = 16;

/**
 * The pages of one stage: accounting only, no memory. Page numbers run from 0. A page is free, held
 * by one cache or more, or _idle_: whole, found by its key, held by nobody. Idle pages count as
 * free: the one that was not used for longest goes when nothing else is left.
 */
export class PagePool {
  readonly pagesMax: number;
  /** Memory is made for so many pages at a time. */
  readonly #together: number;
  /** Pages below have memory. */
  #made = 0;
  #held = 0;
  #touched = 0;
  /** By page, where it was taken at least once: how many caches hold it. */
  readonly #holders: number[] = [];
  /** By page; the two maps are each other's inverse. */
  readonly #keys = new Map<number, string>();
  readonly #pages = new Map<string, number>();
  /** Least recently held first. */
  readonly #idle = new Set<number>();

  constructor(pagesMax: number, together = 1) {
    this.pagesMax = pagesMax;
    this.#together = together;
  }

  free(): number {
    return this.pagesMax - this.#held;
  }

  /** Pages that were taken at least once. */
  touched(): number {
    return this.#touched;
  }

  /** Pages that memory must hold when `pages` more are taken: idle ones go last of all. */
  madeAfter(pages: number): number {
    const missing = Math.max(0, pages - this.#freeWithMemory());
    const groups = Math.ceil(missing / this.#together);
    return Math.min(this.pagesMax, this.#made + groups * this.#together);
  }

  /** A page for one holder, its content whatever it was: the one after `last`, where it is free. */
  take(last: number | null = null): number {
    invariant(this.free() > 0, 'pages are counted before they are taken');
    const page = this.#choose(last);
    if (this.#holders[page] === undefined) this.#touched += 1;
    this.#holders[page] = 1;
    this.#held += 1;
    return page;
  }

  /** One more holder of a page that is held or idle. */
  hold(page: number): void {
    this.#idle.delete(page);
    const before = this.holders(page);
    if (before === 0) this.#held += 1;
    this.#holders[page] = before + 1;
  }

  release(page: number): void {
    const left = this.holders(page) - 1;
    invariant(left >= 0, 'who releases a page has held it');
    this.#holders[page] = left;
    if (left > 0) return;
    this.#held -= 1;
    if (this.#keys.has(page)) this.#idle.add(page);
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

  #choose(last: number | null): number {
    if (last !== null && this.#isFree(last + 1)) return last + 1;
    if (this.#freeWithMemory() > 0) return this.#beginRun();
    if (this.#made === this.pagesMax) return this.#evict();
    this.#made = this.madeAfter(1);
    return this.#beginRun();
  }

  /** The first of `RUN_PAGES` free ones, or else the middle of the longest gap. Some page is free. */
  #beginRun(): number {
    let longest = { from: 0, pages: 0 };
    let from = 0;
    for (let page = 0; page <= this.#made; page += 1) {
      if (page % RUN_PAGES === 0 && this.#isFreeRun(page)) return page;
      if (this.#isFree(page)) continue;
      if (page - from > longest.pages) longest = { from, pages: page - from };
      from = page + 1;
    }
    // Whoever lies before it may grow.
    return longest.from === 0 ? 0 : longest.from + (longest.pages >> 1);
  }

  #isFreeRun(first: number): boolean {
    for (let page = first; page < first + RUN_PAGES; page += 1) {
      if (!this.#isFree(page)) return false;
    }
    return true;
  }

  #isFree(page: number): boolean {
    return page < this.#made && this.holders(page) === 0 && !this.#idle.has(page);
  }

  #freeWithMemory(): number {
    return this.#made - this.#held - this.#idle.size;
  }

  #evict(): number {
    const [oldest] = this.#idle;
    const page = must(oldest, 'a page is idle');
    this.#idle.delete(page);
    this.unname(page);
    return page;
  }
}
