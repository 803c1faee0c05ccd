import { FaultError } from '#lib/kernel/errors.ts';

/** What a grammar must know of a tokenizer. */
export interface TokenSource {
  /** Ids of the model, padding counted: the length of its logits. */
  readonly vocab: number;
  /** A token's own bytes; none for an id without a token. */
  bytesOf(id: number): Uint8Array;
  /** Ids that are no text, whatever their bytes; never said inside a grammar. */
  readonly specialIds: ReadonlySet<number>;
  /** Said where the answer is complete. */
  readonly eosIds: ReadonlySet<number>;
}

/**
 * A vocabulary as a tree of bytes, depth first: node i has children from i + 1 on, and its subtree
 * ends before `ends[i]`. Made once for a tokenizer; all its grammars share it.
 */
export interface TokenTable {
  readonly vocab: number;
  readonly eosIds: readonly number[];
  readonly bytesOf: (id: number) => Uint8Array;
  /** Ids that a grammar may say. */
  isText(id: number): boolean;
  /** Whether a byte is a token of its own. */
  hasByte(byte: number): boolean;
  readonly bytes: Uint8Array;
  readonly depths: Uint8Array;
  readonly ends: Int32Array;
  /** An id that ends at a node, −1 for none; `sameAs` has the next one with the same bytes. */
  readonly ids: Int32Array;
  readonly sameAs: Int32Array;
  readonly longestBytes: number;
}

/** A longer token is never said inside a grammar: depths stay bytes, the walk's stack short. */
const TOKEN_BYTES_MAX = 254;

/**
 * @throws FaultError `package/unsupported` for a vocabulary that cannot end, or cannot spell every
 * text: it needs a token for each printable ASCII byte and each byte that goes on with a character.
 */
export function createTokenTable(source: TokenSource): TokenTable {
  const { vocab, specialIds, eosIds } = source;
  if (eosIds.size === 0) throw new FaultError('package/unsupported', 'the vocabulary has no end');
  const isText = (id: number): boolean => {
    const { length } = source.bytesOf(id);
    return length > 0 && length <= TOKEN_BYTES_MAX && !specialIds.has(id) && !eosIds.has(id);
  };
  const texts: Text[] = [];
  for (let id = 0; id < vocab; id += 1) {
    if (isText(id)) texts.push({ id, bytes: source.bytesOf(id) });
  }
  texts.sort((a, b) => compare(a.bytes, b.bytes) || a.id - b.id);
  const single = new Set(texts.filter(({ bytes }) => bytes.length === 1).map((t) => t.bytes[0]));
  for (let byte = 0x20; byte < 0xc0; byte += 1) {
    if (byte !== 0x7f && !single.has(byte)) {
      throw new FaultError('package/unsupported', `the vocabulary cannot spell byte ${byte}`);
    }
  }
  return {
    vocab,
    eosIds: [...eosIds],
    bytesOf: (id) => source.bytesOf(id),
    isText,
    hasByte: (byte) => single.has(byte),
    ...treeOf(texts, vocab),
  };
}

interface Text {
  readonly id: number;
  readonly bytes: Uint8Array;
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Sorted texts share prefixes with their neighbours: the tree comes out in one pass. */
function treeOf(texts: readonly Text[], vocab: number) {
  const bytes: number[] = [];
  const depths: number[] = [];
  const ids: number[] = [];
  const ends: number[] = [];
  const sameAs = new Int32Array(vocab).fill(-1);
  const open: number[] = [];
  let longestBytes = 0;
  const close = (depth: number): void => {
    for (const node of open.splice(depth)) ends[node] = bytes.length;
  };
  for (const { id, bytes: text } of texts) {
    let shared = 0;
    while (shared < open.length && bytes[open[shared] as number] === text[shared]) shared += 1;
    close(shared);
    for (let depth = shared; depth < text.length; depth += 1) {
      open.push(bytes.push(text[depth] as number) - 1);
      depths.push(depth);
      ids.push(-1);
    }
    const node = open[open.length - 1] as number;
    sameAs[id] = ids[node] as number;
    ids[node] = id;
    longestBytes = Math.max(longestBytes, text.length);
  }
  close(0);
  return {
    bytes: Uint8Array.from(bytes),
    depths: Uint8Array.from(depths),
    ends: Int32Array.from(ends),
    ids: Int32Array.from(ids),
    sameAs,
    longestBytes,
  };
}
