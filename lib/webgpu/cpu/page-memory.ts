import { must } from '#lib/kernel/assert.ts';
import { kvPositionBytes } from '../kv-size.ts';
import type { LayerRange, ModelShape, Numerics } from '../model.ts';
import type { Arena } from './arena.ts';
import { CPU_LIMITS } from './limits.ts';

const CACHE_LINE_BYTES = 64;
/** Kernels call for what lies so far behind the part that they compute with (`attention-int16.ts`). */
const AHEAD_BYTES = 1024;
const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

export interface PagesOf {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly numerics: Numerics;
  readonly pagesMax: number;
}

/** Bytes of one KV page of all layers of the range. */
export const kvPageBytes = (shape: ModelShape, range: LayerRange, numerics: Numerics): number =>
  CPU_LIMITS.pagePositions * kvPositionBytes(shape, range, { engine: 'cpu-wasm', numerics });

/** Parts of a page: keys, or values, of one head in one layer. */
const partsOf = ({ shape, range }: PagesOf): number =>
  (range.last - range.first + 1) * 2 * shape.kvHeads;

/** Pages of a group: as even as `pagesMax` allows, so that little of the last one is left over. */
function groupPages({ shape, range, numerics, pagesMax }: PagesOf): number {
  const room = Math.floor(CPU_LIMITS.groupBytesMax / kvPageBytes(shape, range, numerics));
  const most = Math.max(1, Math.min(room, CPU_LIMITS.groupPagesMax));
  return Math.ceil(pagesMax / Math.ceil(pagesMax / most));
}

const partBytes = ({ shape, range, numerics, ...of }: PagesOf): number =>
  kvPageBytes(shape, range, numerics) / partsOf({ shape, range, numerics, ...of });

/** Bytes from one part of a page to the next: those of the group's other pages lie between. */
export const headStride = (of: PagesOf): number => groupPages(of) * partBytes(of);

/**
 * Where KV pages lie. Pages that follow each other are made in groups, part by part: a head's keys of
 * up to 128 pages in a row. A session's pages mostly follow each other, and memory is read twice as
 * fast in one piece as in pieces of four kilobytes.
 */
export class PageMemory {
  readonly #arena: Arena;
  readonly #of: PagesOf;
  readonly #groups: number[] = [];
  #pages = 0;

  constructor(arena: Arena, of: PagesOf) {
    this.#arena = arena;
    this.#of = of;
  }

  /**
   * Pages 0 … `count` − 1 have memory afterwards.
   * @throws FaultError `engine/out-of-memory`.
   */
  make(count: number): void {
    // Behind the last part, too. Where a head's last two columns are no whole vector, kernels read two
    // floats past the last row: less than that.
    const bytes = partsOf(this.#of) * headStride(this.#of) + AHEAD_BYTES;
    while (this.#groups.length * groupPages(this.#of) < count) {
      const group = this.#arena.allocate(bytes + CACHE_LINE_BYTES);
      this.#groups.push(roundUp(group, CACHE_LINE_BYTES));
    }
    this.#pages = Math.max(this.#pages, count);
  }

  /** Bytes of the last group that no page has had yet: never touched, they cost no memory. */
  untouchedBytes(): number {
    const pages = this.#groups.length * groupPages(this.#of) - this.#pages;
    return pages * partsOf(this.#of) * partBytes(this.#of);
  }

  /** Of the first part of a page that was made: what page tables hold. */
  address(page: number): number {
    const pages = groupPages(this.#of);
    const group = must(this.#groups[Math.floor(page / pages)], 'a page has memory');
    return group + (page % pages) * partBytes(this.#of);
  }

  copy(from: number, to: number): void {
    this.parts(from).forEach((part, i) => {
      must(this.parts(to)[i], 'pages have equal parts').set(part);
    });
  }

  /** All of a page. */
  parts(page: number): Uint8Array[] {
    const [first, bytes] = [this.address(page), partBytes(this.#of)];
    return Array.from({ length: partsOf(this.#of) }, (_, i) =>
      this.#arena.bytesAt(first + i * headStride(this.#of), bytes),
    );
  }
}
