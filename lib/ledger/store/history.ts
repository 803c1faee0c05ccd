import { toHex } from '#lib/kernel/bytes.ts';
import { leafHash } from '#lib/ledger/crypto/merkle.ts';
import {
  EMPTY_RANGE,
  appendLeaf,
  rangePath,
  type MountainRange,
  type RangeNode,
} from '#lib/ledger/crypto/mountain-range.ts';
import { ZERO_HASH, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { Writer } from '#lib/ledger/pbft/codec/bytes.ts';
import type { Header } from '#lib/ledger/pbft/messages/header.ts';
import type { StoredState } from '#lib/ledger/pbft/types.ts';
import { keyOf, put, type Database, type Put } from './database.ts';
import { plain } from './layout.ts';

const keyAt = (level: number, index: number): Uint8Array =>
  keyOf('history', new Writer().u8(level).u64(index).done());

type Checkpoint = Pick<StoredState, 'header' | 'peaks'>;

/** The perfect subtrees over all headers, as blocks complete them: what old headers are proven with. */
export class History {
  readonly #database: Database;
  readonly #sha256: Sha256;
  #range: MountainRange;

  /** @param from the state that the replica begins with; null: the genesis. */
  constructor(database: Database, sha256: Sha256, from: Checkpoint | null) {
    this.#database = database;
    this.#sha256 = sha256;
    this.#range = from === null ? EMPTY_RANGE : rangeOf(from);
  }

  /**
   * What these blocks complete, in order, and a state among them: where it came by transfer its peaks are
   * what everything after it is built on. A block out of order completes nothing.
   */
  extend(headers: readonly Header[], state: Checkpoint | null): Put[] {
    const at = state?.header.sequence ?? Infinity;
    const made = [
      ...headers.filter(({ sequence }) => sequence <= at).flatMap((each) => this.#append(each)),
      ...(state === null ? [] : this.#adopt(state)),
      ...headers.filter(({ sequence }) => sequence > at).flatMap((each) => this.#append(each)),
    ];
    return made.map(({ level, index, hash }) => put(keyAt(level, index), hash));
  }

  /** A block completes the place of the header before it. */
  #append({ sequence, prevHeaderHash }: Header): readonly RangeNode[] {
    if (this.#range.size !== sequence - 1) return [];
    const leaf = leafHash(prevHeaderHash, this.#sha256);
    const { range, made } = appendLeaf(this.#range, leaf, this.#sha256);
    this.#range = range;
    return made;
  }

  #adopt(state: Checkpoint): readonly RangeNode[] {
    if (this.#range.size === state.header.sequence) return [];
    this.#range = rangeOf(state);
    return peakNodes(this.#range);
  }

  /** Path of header `sequence` under the history root of header `of`; null: a part of it is not here. */
  async path(sequence: number, of: number): Promise<Uint8Array[] | null> {
    if (sequence >= of || of > this.#range.size) return null;
    const place = { index: sequence, size: of };
    const needed = new Map<string, Uint8Array>();
    const need = (level: number, index: number): Uint8Array => {
      const key = keyAt(level, index);
      needed.set(toHex(key), key);
      return ZERO_HASH;
    };
    rangePath(place, need, this.#sha256);
    const values = await this.#database.getMany([...needed.values()]);
    const found = new Map<string, Uint8Array>();
    for (const [i, name] of [...needed.keys()].entries()) {
      const value = values[i];
      if (value === undefined) return null;
      found.set(name, plain(value));
    }
    return rangePath(
      place,
      (level, index) => found.get(toHex(keyAt(level, index))) ?? ZERO_HASH,
      this.#sha256,
    );
  }
}

const rangeOf = ({ header, peaks }: Checkpoint): MountainRange => ({
  size: header.sequence,
  peaks,
});

/** Each peak is a perfect subtree: one for each bit of the size, the largest first. */
function peakNodes({ size, peaks }: MountainRange): RangeNode[] {
  const nodes: RangeNode[] = [];
  let from = 0;
  for (let level = Math.floor(Math.log2(Math.max(1, size))); level >= 0; level -= 1) {
    const length = 2 ** level;
    const hash = peaks[nodes.length];
    if (size - from < length || hash === undefined) continue;
    nodes.push({ level, index: from / length, hash });
    from += length;
  }
  return nodes;
}
