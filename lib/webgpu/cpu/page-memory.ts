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

/** Pages of a group, which get their memory together: as even as `pagesMax` allows, so that little of the last one is left over. */
export function groupPages({ shape, range, numerics, pagesMax }: PagesOf): number {
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
  /** Sizes are worked out once: a step asks for the address of every page of its sessions. */
  readonly #groupPages: number;
  readonly #parts: number;
  readonly #partBytes: number;
  readonly #headStride: number;
  readonly #groups: number[] = [];

  constructor(arena: Arena, of: PagesOf) {
    this.#arena = arena;
    this.#groupPages = groupPages(of);
    this.#parts = partsOf(of);
    this.#partBytes = partBytes(of);
    this.#headStride = headStride(of);
  }

  /**
   * Pages 0 … `count` − 1 have memory afterwards.
   * @throws FaultError `engine/out-of-memory`.
   */
  make(count: number): void {
    // Behind the last part, too. Where a head's last two columns are no whole vector, kernels read two
    // floats past the last row: less than that.
    const bytes = this.#parts * this.#headStride + AHEAD_BYTES;
    while (this.#groups.length * this.#groupPages < count) {
      const group = this.#arena.allocate(bytes + CACHE_LINE_BYTES);
      this.#groups.push(roundUp(group, CACHE_LINE_BYTES));
    }
  }

  /** Bytes of all but `touched` pages: never written to, they cost no memory. */
  untouchedBytes(touched: number): number {
    const pages = this.#groups.length * this.#groupPages - touched;
    return pages * this.#parts * this.#partBytes;
  }

  /** Of the first part of a page that was made: what page tables hold. */
  address(page: number): number {
    const group = must(this.#groups[Math.floor(page / this.#groupPages)], 'a page has memory');
    return group + (page % this.#groupPages) * this.#partBytes;
  }

  copy(from: number, to: number): void {
    const parts = this.parts(to);
    this.parts(from).forEach((part, i) => {
      must(parts[i], 'pages have equal parts').set(part);
    });
  }

  /** All of a page. */
  parts(page: number): Uint8Array[] {
    const first = this.address(page);
    return Array.from({ length: this.#parts }, (_, i) =>
      this.#arena.bytesAt(first + i * this.#headStride, this.#partBytes),
    );
  }
}
