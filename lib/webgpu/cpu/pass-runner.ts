import { invariant, must } from '#lib/kernel/assert.ts';
import { hasEmbedding, hasHead } from '../model.ts';
import type { Sampled, Segment, SegmentResult, StageOptions } from '../stage.ts';
import type { Arena } from './arena.ts';
import type { Kernels } from './kernels.ts';
import { SEGMENT_WORDS, type Layout } from './layout.ts';
import { CPU_LIMITS } from './limits.ts';
import type { Piece } from './passes.ts';
import { KernelSampler } from './kernel-sampler.ts';

/** A segment with the addresses of its KV pages, in order of position. */
export interface Placed {
  readonly segment: Segment;
  readonly pages: readonly number[];
}

/** A row whose logits are wanted: its place in the pass, and its segment and row there. */
interface HeadRow {
  readonly passRow: number;
  readonly segment: number;
  readonly row: number;
}

export type MutableResult = { -readonly [K in keyof SegmentResult]: SegmentResult[K] } & {
  sampled?: Sampled[];
};

/** Writes one pass into memory, calls the kernels, and takes out what is wanted. */
export class PassRunner {
  readonly #kernels: Kernels;
  readonly #arena: Arena;
  readonly #layout: Layout;
  readonly #hidden: number;
  readonly #vocab: number;
  readonly #takesIds: boolean;
  /** Of a range with the head. */
  readonly #sampler: KernelSampler | null;

  constructor(kernels: Kernels, arena: Arena, options: StageOptions & { layout: Layout }) {
    this.#kernels = kernels;
    this.#arena = arena;
    this.#layout = options.layout;
    this.#hidden = options.shape.hidden;
    this.#vocab = options.shape.vocab;
    this.#takesIds = hasEmbedding(options.range);
    const givesIds = hasHead(options.shape, options.range);
    this.#sampler = givesIds ? new KernelSampler(kernels, arena, options.shape.vocab) : null;
  }

  run(placed: readonly Placed[], pass: readonly Piece[], results: MutableResult[]): void {
    this.#writeSegments(placed, pass);
    let rows = 0;
    for (const piece of pass) {
      this.#writeRows(must(placed[piece.segment], 'the segment exists').segment, piece);
      rows += piece.rows;
    }
    const { segments, ids } = this.#layout;
    this.#kernels.layers(segments, pass.length, rows, this.#takesIds ? ids : 0);
    if (this.#sampler) this.#runHead(placed, pass, { results, sampler: this.#sampler });
    else this.#takeHidden(placed, pass, results);
  }

  #writeSegments(placed: readonly Placed[], pass: readonly Piece[]): void {
    let table = this.#layout.pageTables;
    pass.forEach((piece, i) => {
      const { segment, pages } = must(placed[piece.segment], 'the segment exists');
      const address = this.#layout.segments + 4 * SEGMENT_WORDS * i;
      const firstPosition = segment.firstPosition + piece.offset;
      this.#arena
        .wordsAt(address, SEGMENT_WORDS)
        .set([piece.passRow, piece.rows, firstPosition, table]);
      this.#arena.wordsAt(table, pages.length).set(pages);
      table += 4 * pages.length;
    });
  }

  #writeRows(segment: Segment, { offset, rows, passRow }: Piece): void {
    const { ids, stream } = this.#layout;
    if (segment.ids) {
      const part = segment.ids.subarray(offset, offset + rows);
      this.#arena.wordsAt(ids + 4 * passRow, rows).set(part);
      return;
    }
    const width = this.#hidden;
    const hidden = must(segment.hidden, 'a later stage takes hidden rows');
    this.#arena
      .floatsAt(stream + 4 * passRow * width, rows * width)
      .set(hidden.subarray(offset * width, (offset + rows) * width));
  }

  #takeHidden(placed: readonly Placed[], pass: readonly Piece[], results: MutableResult[]): void {
    const width = this.#hidden;
    for (const { segment, offset, rows, passRow } of pass) {
      if (placed[segment]?.segment.want.kind !== 'hidden') continue;
      const from = this.#layout.stream + 4 * passRow * width;
      results[segment]?.hidden?.set(this.#arena.floatsAt(from, rows * width), offset * width);
    }
  }

  #runHead(
    placed: readonly Placed[],
    pass: readonly Piece[],
    { results, sampler }: { results: MutableResult[]; sampler: KernelSampler },
  ): void {
    const wanted = pass.flatMap((piece) => {
      const { segment } = must(placed[piece.segment], 'the segment exists');
      return headRowsOf(segment, piece);
    });
    const { headRows, logits } = this.#layout;
    for (let from = 0; from < wanted.length; from += CPU_LIMITS.headRowsMax) {
      const batch = wanted.slice(from, from + CPU_LIMITS.headRowsMax);
      this.#arena.wordsAt(headRows, batch.length).set(batch.map((row) => row.passRow));
      this.#kernels.head(headRows, batch.length);
      batch.forEach(({ segment, row }, i) => {
        const at = logits + 4 * i * this.#vocab;
        const { want } = must(placed[segment], 'the segment exists').segment;
        const result = must(results[segment], 'every segment has a result');
        if (want.kind === 'sample') {
          const { id, ...told } = sampler.chooseAt(at, want.params, want);
          Object.assign(result, { sampledId: id, ...told });
        } else if (want.kind === 'sample-rows') {
          const point = must(want.points[row], 'a point a row');
          (result.sampled ??= []).push(sampler.chooseAt(at, want.params, point));
        } else result.logits?.set(this.#arena.floatsAt(at, this.#vocab), row * this.#vocab);
      });
    }
  }
}

function headRowsOf({ want, rows }: Segment, piece: Piece): HeadRow[] {
  const { segment, offset, passRow } = piece;
  const rowsOf = (first: number): HeadRow[] =>
    Array.from({ length: piece.rows - first }, (_, i) => ({
      passRow: passRow + first + i,
      segment,
      row: offset + first + i,
    }));
  if (want.kind === 'logits' || want.kind === 'sample-rows') return rowsOf(0);
  if (want.kind !== 'sample' || offset + piece.rows < rows) return [];
  invariant(piece.rows > 0, 'a piece has rows');
  return rowsOf(piece.rows - 1);
}
