import { invariant, must } from '#lib/kernel/assert.ts';
import type { KvId } from '../../stage.ts';

/** What lies in a slot of the GPU's memory: a session's positions, or those that outlived one. */
export type SlotId = number;

interface Slot {
  readonly id: SlotId;
  length: number;
  /** By page: the key that finds it, null where none does. */
  readonly keys: (string | null)[];
}

/** A page whose content goes to the same page of another slot before the next run. */
export interface PageShare {
  readonly from: SlotId;
  readonly to: SlotId;
  readonly page: number;
}

interface Append {
  readonly kv: KvId;
  readonly rows: number;
}

/**
 * Which slots hold how many positions, and which whole pages are found by which keys: accounting
 * only, no memory. A slot has its pages for itself: who shares a prefix gets a copy, or, where nobody
 * else needs it, the slot. A closed session's slot is _kept_ as far as keys find it: such pages count
 * as free, and the slot that was not used for longest gives way.
 */
export class SlotPages {
  readonly pagePositions: number;
  readonly pagesMax: number;
  readonly #sessions = new Map<KvId, Slot>();
  /** Least recently used first. */
  readonly #kept = new Map<SlotId, Slot>();
  /** Slots with the page of a key, the newest last. */
  readonly #holders = new Map<string, Set<Slot>>();
  #shares: PageShare[] = [];
  #nextId = 1;

  constructor(pagePositions: number, pagesMax: number) {
    this.pagePositions = pagePositions;
    this.pagesMax = pagesMax;
  }

  pagesFree(): number {
    return this.pagesMax - this.#pagesIn(this.#sessions);
  }

  open(): KvId {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#sessions.set(id, { id, length: 0, keys: [] });
    return id;
  }

  length(kv: KvId): number {
    return this.#slot(kv).length;
  }

  slotOf(kv: KvId): SlotId {
    return this.#slot(kv).id;
  }

  /** Pages that a step would take. */
  pagesMissing(appends: readonly Append[]): number {
    return appends.reduce((sum, { kv, rows }) => {
      const { length } = this.#slot(kv);
      return sum + this.#pagesFor(length + rows) - this.#pagesFor(length);
    }, 0);
  }

  /** Makes room for `rows` more positions; the caller has seen that enough pages are free. */
  append(kv: KvId, rows: number): void {
    this.#slot(kv).length += rows;
    this.#evict();
  }

  /** Forgets positions ≥ `length` (S3). */
  truncate(kv: KvId, length: number): void {
    const slot = this.#slot(kv);
    invariant(length >= 0 && length <= slot.length, 'a KV cache is never truncated upwards');
    slot.length = length;
    this.#forget(slot, Math.floor(length / this.pagePositions));
  }

  /** What keys find of it is kept. */
  close(kv: KvId): void {
    const slot = this.#slot(kv);
    this.#sessions.delete(kv);
    let pages = slot.keys.length;
    while (pages > 0 && !this.#isOnly(slot, pages - 1)) pages -= 1;
    this.#forget(slot, pages);
    if (pages === 0) return;
    slot.length = pages * this.pagePositions;
    this.#kept.set(slot.id, slot);
    this.#evict();
  }

  /** An empty session begins with the pages of these keys, as far as they are here and have room. */
  share(kv: KvId, keys: readonly string[]): number {
    const slot = this.#slot(kv);
    invariant(slot.length === 0, 'only an empty KV cache begins with what is there');
    const sources = this.#sources(keys);
    const [first] = sources;
    if (!first) return 0;
    if (this.#kept.has(first.id) && sources.every((each) => each === first)) {
      if (this.#pagesFor(first.length) === sources.length) return this.#takeOver(kv, first);
    }
    for (const [page, from] of sources.slice(0, this.pagesFree()).entries()) {
      this.#shares.push({ from: this.#originOf(from, page), to: slot.id, page });
      this.#name(slot, page, must(keys[page], 'a page has a key'));
      if (this.#kept.delete(from.id)) this.#kept.set(from.id, from);
    }
    slot.length = slot.keys.length * this.pagePositions;
    this.#evict();
    return slot.length;
  }

  /** Names whole pages from `firstPage` on. */
  keep(kv: KvId, firstPage: number, keys: readonly string[]): void {
    const slot = this.#slot(kv);
    const whole = Math.floor(slot.length / this.pagePositions);
    invariant(firstPage + keys.length <= whole, 'only whole pages are kept');
    keys.forEach((key, i) => {
      if ((slot.keys[firstPage + i] ?? null) === null) this.#name(slot, firstPage + i, key);
    });
  }

  /**
   * Positions that each slot must hold memory for; what shares still come from is there, too, even
   * where it was closed or rolled back meanwhile.
   */
  held(): Map<SlotId, number> {
    const slots = [...this.#sessions.values(), ...this.#kept.values()];
    const held = new Map(slots.map(({ id, length }) => [id, length]));
    for (const { from, page } of this.shares()) {
      const end = (page + 1) * this.pagePositions;
      held.set(from, Math.max(held.get(from) ?? 0, end));
    }
    for (const [id, length] of held) if (length === 0) held.delete(id);
    return held;
  }

  /** Copies to make before anything is written. */
  shares(): readonly PageShare[] {
    const slots = [...this.#sessions.values(), ...this.#kept.values()];
    const lengths = new Map(slots.map(({ id, length }) => [id, length]));
    return this.#shares.filter(({ to, page }) => {
      return page * this.pagePositions < (lengths.get(to) ?? 0);
    });
  }

  /** They were made. */
  shared(): void {
    this.#shares = [];
  }

  /** Where the content of a page is now: its slot may wait for it, and give it up before it comes. */
  #originOf({ id }: Slot, page: number): SlotId {
    return this.#shares.findLast((share) => share.to === id && share.page === page)?.from ?? id;
  }

  #takeOver(kv: KvId, slot: Slot): number {
    this.#kept.delete(slot.id);
    this.#sessions.set(kv, slot);
    return slot.length;
  }

  /** A slot for each key from the first on, as long as there is one; the same slot where it can be. */
  #sources(keys: readonly string[]): Slot[] {
    const sources: Slot[] = [];
    for (const key of keys) {
      const holders = [...(this.#holders.get(key) ?? [])];
      const last = sources.at(-1);
      const source = holders.find((slot) => slot === last) ?? holders.at(-1);
      if (!source) break;
      sources.push(source);
    }
    return sources;
  }

  #isOnly({ keys }: Slot, page: number): boolean {
    const key = keys[page] ?? null;
    return key !== null && this.#holders.get(key)?.size === 1;
  }

  #name(slot: Slot, page: number, key: string): void {
    while (slot.keys.length < page) slot.keys.push(null);
    slot.keys[page] = key;
    const holders = this.#holders.get(key) ?? new Set();
    this.#holders.set(key, holders.add(slot));
  }

  /** No key finds its pages from `firstPage` on any more. */
  #forget(slot: Slot, firstPage: number): void {
    for (const key of slot.keys.splice(firstPage)) {
      const holders = key === null ? undefined : this.#holders.get(key);
      holders?.delete(slot);
      if (key !== null && holders?.size === 0) this.#holders.delete(key);
    }
  }

  #evict(): void {
    while (this.#pagesIn(this.#sessions) + this.#pagesIn(this.#kept) > this.pagesMax) {
      const [oldest] = this.#kept.values();
      const slot = must(oldest, 'sessions alone never have more pages than there are');
      this.#kept.delete(slot.id);
      this.#forget(slot, 0);
    }
  }

  #pagesIn(slots: ReadonlyMap<number, Slot>): number {
    let pages = 0;
    for (const { length } of slots.values()) pages += this.#pagesFor(length);
    return pages;
  }

  #pagesFor(positions: number): number {
    return Math.ceil(positions / this.pagePositions);
  }

  #slot(kv: KvId): Slot {
    return must(this.#sessions.get(kv), `KV cache ${kv} is open`);
  }
}
