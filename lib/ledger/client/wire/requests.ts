import { unreachable } from '#lib/kernel/assert.ts';
import { toFault, type FaultError } from '#lib/kernel/errors.ts';
import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { Reader, Writer, malformed } from '#lib/ledger/pbft/codec/bytes.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { CLIENT_LIMITS } from '../limits.ts';

/** A client's frame. `tag` is the client's own number; every answer to it carries the same. */
export type ClientRequest = { readonly tag: number } & Question;

/** What a frame asks, whatever its tag. */
export type Question =
  | Submit
  | AskOutcome
  | Read
  | AskOpenHolds
  | AskBlocks
  | Subscribe
  | { readonly type: 'unsubscribe' }
  | AskEpochEnds
  | AskHistory
  | AskEvidence
  | { readonly type: 'status' };

/** To be ordered. Answered once it is executed: `executed`, or at once with a refusal. */
export interface Submit {
  readonly type: 'submit';
  readonly transaction: Uint8Array;
}

/** What became of the transaction with this id: `executed`. */
export interface AskOutcome {
  readonly type: 'outcome';
  readonly id: Uint8Array;
}

/** Which state is read: the last block executed, or the last checkpoint that q have sealed. */
export const STATES = ['newest', 'certified'] as const;
export type StateAt = (typeof STATES)[number];

/** Records by key of the trie, in this order: `records`. No key at all asks for the header alone. */
export interface Read {
  readonly type: 'read';
  readonly at: StateAt;
  /** `ledger/stale` where the state is of a lower sequence. */
  readonly minSequence: number;
  readonly keys: readonly Uint8Array[];
}

/** A gateway's open holds by id, in the newest state, no more than a page: `records`. */
export interface AskOpenHolds {
  readonly type: 'open-holds';
  /** The gateway's key. */
  readonly gateway: Uint8Array;
  /** The last id of the page before; null: from the first. */
  readonly after: Uint8Array | null;
}

/** Blocks from this sequence on, as many as there are and fit: `blocks`, at least one. */
export interface AskBlocks {
  readonly type: 'blocks';
  readonly from: number;
  readonly count: number;
}

/** The same, and from then on each new block: any number of `blocks`. */
export interface Subscribe {
  readonly type: 'subscribe';
  readonly from: number;
}

/** The certified ends of this epoch and those after it: `epoch-ends`, none where it still lasts. */
export interface AskEpochEnds {
  readonly type: 'epoch-ends';
  readonly from: number;
}

/** The path of header `sequence` under the history root of header `of`, `sequence` < `of`: `history`. */
export interface AskHistory {
  readonly type: 'history';
  readonly sequence: number;
  readonly of: number;
}

/** What convicts a replica, one piece: `evidence`. */
export interface AskEvidence {
  readonly type: 'evidence';
  /** From 0 on. */
  readonly index: number;
}

type RequestType = ClientRequest['type'];

/** First byte of a request. Numbers are never given anew. */
const NUMBERS: Readonly<Record<RequestType, number>> = {
  submit: 1,
  outcome: 2,
  read: 3,
  'open-holds': 4,
  blocks: 5,
  subscribe: 6,
  unsubscribe: 7,
  'epoch-ends': 8,
  history: 9,
  status: 10,
  evidence: 11,
};

const TYPES = new Map(
  (Object.keys(NUMBERS) as RequestType[]).map((type) => [NUMBERS[type], type] as const),
);

export function encodeRequest(request: ClientRequest): Uint8Array {
  const out = new Writer().u8(NUMBERS[request.type]).u32(request.tag);
  return written(out, request).done();
}

const HOLD_ID_BYTES = 16;

function written(out: Writer, request: ClientRequest): Writer {
  switch (request.type) {
    case 'submit':
      return out.blob(request.transaction);
    case 'outcome':
      return out.raw(request.id);
    case 'read':
      return out
        .u8(STATES.indexOf(request.at))
        .u64(request.minSequence)
        .list(request.keys, (to, key) => to.raw(key));
    case 'open-holds':
      return out.raw(request.gateway).blob(request.after ?? new Uint8Array(0));
    case 'blocks':
      return out.u64(request.from).u16(request.count);
    case 'subscribe':
    case 'epoch-ends':
      return out.u64(request.from);
    case 'history':
      return out.u64(request.sequence).u64(request.of);
    case 'evidence':
      return out.u16(request.index);
    case 'unsubscribe':
    case 'status':
      return out;
    default:
      return unreachable(request);
  }
}

/** Any bytes as a request, or what is wrong with them: never throws. */
export function decodeRequest(bytes: Uint8Array): ClientRequest | FaultError {
  if (bytes.length > CLIENT_LIMITS.requestBytesMax) return malformed('a request is too long');
  try {
    const from = new Reader(bytes);
    const type = TYPES.get(from.u8());
    if (type === undefined) throw malformed('a request of an unknown type');
    const request = { tag: from.u32(), ...read(from, type) };
    from.end();
    return request;
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

type Untagged = ClientRequest extends infer R
  ? R extends unknown
    ? Omit<R, 'tag'>
    : never
  : never;

function read(from: Reader, type: RequestType): Untagged {
  switch (type) {
    case 'submit':
      return { type, transaction: from.blob(LIMITS.requestBytesMax) };
    case 'outcome':
      return { type, id: from.raw(HASH_BYTES) };
    case 'read':
      return {
        type,
        at: stateAt(from.u8()),
        minSequence: from.u64(),
        keys: from.list(CLIENT_LIMITS.keysMax, (each) => each.raw(HASH_BYTES)),
      };
    case 'open-holds':
      return { type, gateway: from.raw(HASH_BYTES), after: readAfter(from) };
    case 'blocks':
      return { type, from: from.u64(), count: readCount(from) };
    case 'subscribe':
    case 'epoch-ends':
      return { type, from: from.u64() };
    case 'history':
      return { type, ...readPlace(from) };
    case 'evidence':
      return { type, index: from.u16() };
    case 'unsubscribe':
    case 'status':
      return { type };
    default:
      return unreachable(type);
  }
}

function stateAt(byte: number): StateAt {
  const at = STATES[byte];
  if (at === undefined) throw malformed('a state of an unknown kind');
  return at;
}

function readAfter(from: Reader): Uint8Array | null {
  const after = from.blob(HOLD_ID_BYTES);
  if (after.length !== 0 && after.length !== HOLD_ID_BYTES) throw malformed('no id of a hold');
  return after.length === 0 ? null : after;
}

function readCount(from: Reader): number {
  const count = from.u16();
  if (count < 1 || count > CLIENT_LIMITS.blocksMax) throw malformed('too many blocks, or none');
  return count;
}

function readPlace(from: Reader): { readonly sequence: number; readonly of: number } {
  const [sequence, of] = [from.u64(), from.u64()];
  if (sequence >= of) throw malformed('a header is in the history of later ones');
  return { sequence, of };
}
