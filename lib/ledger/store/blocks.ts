import { isFault } from '#lib/kernel/errors.ts';
import { Reader, Writer } from '#lib/ledger/pbft/codec/bytes.ts';
import type { SealCertificate } from '#lib/ledger/pbft/messages/seal.ts';
import { allOf, bySequence, byText, put, sequenceIn, type Database, type Put } from './database.ts';
import { decodeBlock, decodeCertificate, encodeBlock, type StoredBlock } from './layout.ts';

/** Where a request was executed first, which is when it had its effect. */
export interface RequestPlace {
  readonly sequence: number;
  /** In the block's batch, from 0. */
  readonly index: number;
}

export interface ExecutedBlock {
  readonly block: StoredBlock;
  /** Of each request, as `Application.checkRequest` gives it. */
  readonly ids: readonly string[];
}

/**
 * One block, and where its requests had their effect.
 * @param isFirst whether a result is of this block, and not told again of one before.
 */
export function blockPuts(
  { block, ids }: ExecutedBlock,
  isFirst: (result: Uint8Array, sequence: number) => boolean,
): Put[] {
  const { sequence } = block.header;
  const puts: Put[] = [put(bySequence('block', sequence), encodeBlock(block))];
  const placed = new Set<string>();
  for (const [index, id] of ids.entries()) {
    const result = block.results[index];
    if (placed.has(id) || result === undefined || !isFirst(result, sequence)) continue;
    placed.add(id);
    puts.push(put(byText('request', id), new Writer().u64(sequence).u32(index).done()));
  }
  return puts;
}

/** Every block that this replica executed, for who asks. */
export class Blocks {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Null where it is not here: before a state that came by transfer, or not executed yet. */
  async get(sequence: number): Promise<StoredBlock | null> {
    const bytes = await this.#database.get(bySequence('block', sequence));
    return bytes === undefined ? null : orNull(decodeBlock(bytes));
  }

  /** Up to `most` from `from` on, in order and without a gap. */
  async range(from: number, most: number): Promise<StoredBlock[]> {
    const blocks: StoredBlock[] = [];
    const all = { gte: bySequence('block', from), lt: allOf('block').lt, limit: most };
    for await (const value of this.#database.values(all)) {
      const block = orNull(decodeBlock(value));
      if (block?.header.sequence !== from + blocks.length) break;
      blocks.push(block);
    }
    return blocks;
  }

  async find(requestId: string): Promise<RequestPlace | null> {
    return placeIn(await this.#database.get(byText('request', requestId)));
  }

  /** The first header certificate at `sequence` or above it; null: none yet. */
  async certificateFrom(sequence: number): Promise<SealCertificate | null> {
    const all = { gte: bySequence('certificate', sequence), lt: allOf('certificate').lt, limit: 1 };
    for await (const value of this.#database.values(all)) return orNull(decodeCertificate(value));
    return null;
  }

  /** The lowest block's sequence; 0: none. */
  async first(): Promise<number> {
    for await (const key of this.#database.keys({ ...allOf('block'), limit: 1 })) {
      return sequenceIn(key);
    }
    return 0;
  }
}

const PLACE_BYTES = 12;

function placeIn(bytes: Uint8Array | undefined): RequestPlace | null {
  if (bytes?.length !== PLACE_BYTES) return null;
  const from = new Reader(bytes);
  return { sequence: from.u64(), index: from.u32() };
}

const orNull = <T>(value: T): Exclude<T, Error> | null =>
  isFault(value) ? null : (value as Exclude<T, Error>);
