import { must } from '#lib/kernel/assert.ts';
import { chooseAt } from '../choose.ts';
import type { ModelShape, StoredTensor } from '../model.ts';
import type { SamplingParams } from '../sampling/params.ts';
import type { SamplePoint } from '../sampling/sample.ts';
import type { Sampled, Segment, SegmentResult } from '../stage.ts';
import type { GraphRunner } from './graph-runner.ts';
import { chooseTop, drawOf } from './head/choose-top.ts';
import type { LogitsOnGpu, LogitsReader } from './head/logits-reader.ts';
import type { KvGroups } from './kv/kv-groups.ts';
import type { SlotId } from './kv/slot-pages.ts';
import { GPU_LIMITS } from './limits.ts';
import { floatRows } from './weights/formats.ts';

interface Parts {
  readonly shape: ModelShape;
  readonly runner: GraphRunner;
  readonly groups: KvGroups;
  /** Where the range has the head. */
  readonly reader: LogitsReader | null;
  readonly embedding: StoredTensor | null;
}

/** A segment, and the slot of its session. */
export interface Placed {
  readonly slot: SlotId;
  readonly segment: Segment;
}

interface MutableResult {
  hidden: Float32Array | null;
  sampledId: number | null;
  logits: Float32Array | null;
  logprobs?: NonNullable<SegmentResult['logprobs']>;
  sampled?: Sampled[];
}

/** Rows of a segment that one run computes. */
interface Piece {
  readonly offset: number;
  readonly rows: number;
}

/** A wish for an id; `row` counts the rows whose logits come out of a run. */
interface Wish {
  readonly row: number;
  readonly params: SamplingParams;
  readonly point: SamplePoint;
  readonly give: (sampled: Sampled) => void;
}

/** Computes the runs of a step, and what is wanted of each segment. */
export class StepRunner {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * One segment: runs of at most `runRowsMax` rows, alone in its group.
   * @throws FaultError `engine/lost`.
   */
  async alone({ slot, segment }: Placed): Promise<SegmentResult> {
    const { shape, runner, groups } = this.#parts;
    const { want, rows } = segment;
    const result = this.#resultFor(segment);
    const every = want.kind === 'logits' || want.kind === 'sample-rows';
    for (const piece of piecesOf(rows)) {
      const { offset } = piece;
      const input = {
        hidden: this.#hidden(segment, piece),
        rows: piece.rows,
        group: groups.groupOf(slot),
        last: Int32Array.of(segment.firstPosition + offset + piece.rows - 1),
        headRows: every ? Array.from({ length: piece.rows }, (_, i) => i) : [piece.rows - 1],
      };
      await runner.run(input, async (output) => {
        if (output instanceof Float32Array) result.hidden?.set(output, offset * shape.hidden);
        else if (want.kind === 'logits') {
          const logits = await this.#reader.rows(output, 0, output.rows);
          result.logits?.set(logits, offset * shape.vocab);
        } else await this.#sample(output, wishesOf(segment, result, piece));
      });
    }
    return result;
  }

  /**
   * A row each of several sessions, which lie in one group. Members of the group that have none
   * compute one that nobody reads, at the position after their last (`lengthOf`).
   * @throws FaultError `engine/lost`.
   */
  async together(
    placed: readonly Placed[],
    lengthOf: (slot: SlotId) => number,
  ): Promise<SegmentResult[]> {
    const { shape, runner, groups } = this.#parts;
    const group = groups.groupOf(must(placed[0], 'a run has rows').slot);
    const hidden = new Float32Array(group.members.length * shape.hidden);
    const last = Int32Array.from(group.members, (slot) => (slot === null ? 0 : lengthOf(slot)));
    const rows = placed.map(({ slot, segment }) => {
      const row = group.members.indexOf(slot);
      hidden.set(this.#hidden(segment, ONE_ROW), row * shape.hidden);
      last[row] = segment.firstPosition;
      return { row, segment, result: this.#resultFor(segment) };
    });
    await runner.run({ hidden, rows: 1, group, last, headRows: [0] }, async (output) => {
      for (const { row, result } of rows) {
        if (output instanceof Float32Array) {
          result.hidden?.set(output.subarray(row * shape.hidden, (row + 1) * shape.hidden));
        } else result.logits?.set(await this.#reader.rows(output, row, 1));
      }
      if (output instanceof Float32Array) return;
      const wishes = rows.flatMap(({ row, segment, result }) =>
        wishesOf(segment, result, ONE_ROW).map((wish) => ({ ...wish, row })),
      );
      await this.#sample(output, wishes);
    });
    return rows.map(({ result }) => result);
  }

  get #reader(): LogitsReader {
    return must(this.#parts.reader, 'a range with the head reads logits');
  }

  #resultFor({ want, rows }: Segment): MutableResult {
    const { shape } = this.#parts;
    return {
      hidden: want.kind === 'hidden' ? new Float32Array(rows * shape.hidden) : null,
      logits: want.kind === 'logits' ? new Float32Array(rows * shape.vocab) : null,
      sampledId: null,
      ...(want.kind === 'sample-rows' && { sampled: [] }),
    };
  }

  /** An id for each wish, from what the GPU tells of its row, or from the row. */
  async #sample(output: LogitsOnGpu, wishes: readonly Wish[]): Promise<void> {
    const draws = Array.from({ length: output.rows }, () => [1, 0] as [number, number]);
    for (const { row, params, point } of wishes) draws[row] = drawOf(params, point);
    // Also where nobody wants anything: a step ends when its runs have.
    const tops = await this.#reader.top(output, draws);
    const open = wishes.filter(({ row, params, point, give }) => {
      const chosen = chooseTop(must(tops[row], 'an answer for each row'), params, point);
      if (chosen) give(chosen);
      return !chosen;
    });
    if (open.length === 0) return;
    // One reading for all: a wait for the GPU costs more than rows that lie between.
    const first = Math.min(...open.map(({ row }) => row));
    const count = Math.max(...open.map(({ row }) => row)) - first + 1;
    const logits = await this.#reader.rows(output, first, count);
    const { vocab } = this.#parts.shape;
    for (const { row, params, point, give } of open) {
      const at = (row - first) * vocab;
      give(chooseAt(logits.subarray(at, at + vocab), params, point));
    }
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

const ONE_ROW: Piece = { offset: 0, rows: 1 };

/** The ids that are wanted of a piece; where only the last row's is, that row alone comes out. */
function wishesOf({ want, rows }: Segment, result: MutableResult, piece: Piece): Wish[] {
  const { offset } = piece;
  if (want.kind === 'sample' && offset + piece.rows === rows) {
    const give = ({ id, ...told }: Sampled): void => {
      Object.assign(result, { sampledId: id, ...told });
    };
    return [{ row: 0, params: want.params, point: want, give }];
  }
  if (want.kind !== 'sample-rows') return [];
  return want.points.slice(offset, offset + piece.rows).map((point, row) => {
    return { row, params: want.params, point, give: (sampled) => result.sampled?.push(sampled) };
  });
}

function piecesOf(total: number): Piece[] {
  const pieces: Piece[] = [];
  for (let offset = 0; offset < total; offset += GPU_LIMITS.runRowsMax) {
    pieces.push({ offset, rows: Math.min(GPU_LIMITS.runRowsMax, total - offset) });
  }
  return pieces;
}
