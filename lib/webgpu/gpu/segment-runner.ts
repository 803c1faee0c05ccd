import { must } from '#lib/kernel/assert.ts';
import { choose, chooseAt } from '../choose.ts';
import type { LayerRange, ModelShape, StoredTensor } from '../model.ts';
import { hasHead } from '../model.ts';
import type { Sampled, Segment, SegmentResult } from '../stage.ts';
import type { GraphRunner } from './graph-runner.ts';
import type { KvSlots } from './kv-slots.ts';
import { GPU_LIMITS } from './limits.ts';
import { floatRows } from './weights/formats.ts';

interface Parts {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly runner: GraphRunner;
  readonly slots: KvSlots;
  readonly embedding: StoredTensor | null;
}

/** Rows of a segment that one run computes. */
interface Piece {
  readonly offset: number;
  readonly rows: number;
}

/** Computes one segment: runs of at most `runRowsMax` rows, and what is wanted of them. */
export class SegmentRunner {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws FaultError `engine/lost`. */
  async run(segment: Segment): Promise<SegmentResult> {
    const { want, rows } = segment;
    const { shape } = this.#parts;
    const result = {
      hidden: want.kind === 'hidden' ? new Float32Array(rows * shape.hidden) : null,
      logits: want.kind === 'logits' ? new Float32Array(rows * shape.vocab) : null,
      sampledId: null as number | null,
      ...(want.kind === 'sample-rows' && { sampled: [] as Sampled[] }),
    };
    for (const piece of piecesOf(rows)) {
      const output = await this.#runPiece(segment, piece);
      result.hidden?.set(output, piece.offset * shape.hidden);
      result.logits?.set(output, piece.offset * shape.vocab);
      if (want.kind === 'sample-rows') {
        for (let row = 0; row < piece.rows; row += 1) {
          const logits = output.subarray(row * shape.vocab, (row + 1) * shape.vocab);
          const point = must(want.points[piece.offset + row], 'a point a row');
          result.sampled?.push(chooseAt(logits, want.params, point));
        }
      }
      const last = piece.offset + piece.rows === rows;
      if (last && want.kind === 'sample') Object.assign(result, choose(output, want));
    }
    return result;
  }

  #runPiece(segment: Segment, piece: Piece): Promise<Float32Array> {
    const { runner, slots, range, shape } = this.#parts;
    const { offset, rows } = piece;
    const every = segment.want.kind === 'logits' || segment.want.kind === 'sample-rows';
    const headRows = every ? Array.from({ length: rows }, (_, i) => i) : [rows - 1];
    return runner.run({
      hidden: this.#hidden(segment, piece),
      rows,
      past: segment.firstPosition + offset,
      slot: slots.slot(segment.kv),
      headRows: hasHead(shape, range) ? headRows : [],
    });
  }

  /** Rows as the graph takes them: embedded here, or as they came from the stage before. */
  #hidden({ ids, hidden }: Segment, { offset, rows }: Piece): Float32Array<ArrayBuffer> {
    const width = this.#parts.shape.hidden;
    if (!ids) {
      const given = must(hidden, 'a later stage takes hidden rows');
      return given.slice(offset * width, (offset + rows) * width);
    }
    const embedding = must(this.#parts.embedding, 'the first stage has the embedding');
    const out = new Float32Array(rows * width);
    ids.subarray(offset, offset + rows).forEach((id, i) => {
      out.set(floatRows(embedding, id, 1), i * width);
    });
    return out;
  }
}

function piecesOf(total: number): Piece[] {
  const pieces: Piece[] = [];
  for (let offset = 0; offset < total; offset += GPU_LIMITS.runRowsMax) {
    pieces.push({ offset, rows: Math.min(GPU_LIMITS.runRowsMax, total - offset) });
  }
  return pieces;
}
