import { unreachable } from '#lib/kernel/assert.ts';
import { toFault, type FaultError } from '#lib/kernel/errors.ts';
import { Reader, Writer, malformed } from '../codec/bytes.ts';
import { LIMITS } from '../limits.ts';
import * as link from './link-messages.ts';
import { readNewView, writeNewView, type NewView } from './new-view.ts';
import { readPrePrepare, writePrePrepare, type PrePrepare } from './pre-prepare.ts';
import { readSeal, writeSeal, type Seal } from './seal.ts';
import {
  readFetchParts,
  readParts,
  readStateTransfer,
  writeFetchParts,
  writeParts,
  writeStateTransfer,
  type FetchParts,
  type Parts,
  type StateTransfer,
} from './state-transfer.ts';
import { readViewChange, writeViewChange, type ViewChange } from './view-change.ts';
import { readVote, writeVote, type Vote } from './vote.ts';

/** All that replicas say to one another, and REQUEST, which clients say. */
export type Message =
  | PrePrepare
  | (Vote & { readonly type: 'prepare' | 'commit' })
  | Seal
  | ViewChange
  | NewView
  | StateTransfer
  | FetchParts
  | Parts
  | link.RequestMessage
  | link.Status
  | link.Heartbeat
  | link.Fetch
  | link.Body
  | link.FetchState;

type MessageType = Message['type'];

/** First byte of a message. Numbers are never given anew. */
const NUMBERS: Readonly<Record<MessageType, number>> = {
  request: 1,
  'pre-prepare': 2,
  prepare: 3,
  commit: 4,
  seal: 5,
  'view-change': 6,
  'new-view': 7,
  status: 8,
  heartbeat: 9,
  fetch: 10,
  body: 11,
  'fetch-state': 12,
  state: 13,
  'fetch-parts': 14,
  parts: 15,
};

const TYPES = new Map(
  (Object.keys(NUMBERS) as MessageType[]).map((type) => [NUMBERS[type], type] as const),
);

export function encodeMessage(message: Message): Uint8Array {
  const out = new Writer().u8(NUMBERS[message.type]);
  writeMessage(out, message);
  return out.done();
}

function writeMessage(out: Writer, message: Message): Writer {
  switch (message.type) {
    case 'request':
      return link.writeRequest(out, message);
    case 'pre-prepare':
      return writePrePrepare(out, message);
    case 'prepare':
    case 'commit':
      return writeVote(out, message);
    case 'seal':
      return writeSeal(out, message);
    case 'view-change':
      return writeViewChange(out, message);
    case 'new-view':
      return writeNewView(out, message);
    case 'status':
      return link.writeStatus(out, message);
    case 'heartbeat':
      return link.writeHeartbeat(out, message);
    case 'fetch':
      return link.writeFetch(out, message);
    case 'body':
      return link.writeBody(out, message);
    case 'fetch-state':
      return link.writeFetchState(out, message);
    case 'state':
      return writeStateTransfer(out, message);
    case 'fetch-parts':
      return writeFetchParts(out, message);
    case 'parts':
      return writeParts(out, message);
    default:
      return unreachable(message);
  }
}

/**
 * Any bytes as a message, or what is wrong with them: never throws. One encoding a message: what decodes
 * encodes to the same bytes.
 */
export function decodeMessage(bytes: Uint8Array): Message | FaultError {
  if (bytes.length > LIMITS.frameBytesMax) return malformed('a frame is too long');
  try {
    const from = new Reader(bytes);
    const type = TYPES.get(from.u8());
    if (type === undefined) throw malformed('a message of an unknown type');
    const message = readMessage(from, type);
    from.end();
    return message;
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

function readMessage(from: Reader, type: MessageType): Message {
  switch (type) {
    case 'request':
      return link.readRequest(from);
    case 'pre-prepare':
      return readPrePrepare(from);
    case 'prepare':
    case 'commit':
      return readVote(from, type);
    case 'seal':
      return readSeal(from);
    case 'view-change':
      return readViewChange(from);
    case 'new-view':
      return readNewView(from);
    case 'status':
      return link.readStatus(from);
    case 'heartbeat':
      return link.readHeartbeat(from);
    case 'fetch':
      return link.readFetch(from);
    case 'body':
      return link.readBody(from);
    case 'fetch-state':
      return link.readFetchState(from);
    case 'state':
      return readStateTransfer(from);
    case 'fetch-parts':
      return readFetchParts(from);
    case 'parts':
      return readParts(from);
    default:
      return unreachable(type);
  }
}
