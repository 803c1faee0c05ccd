import { MESH } from './limits.ts';
import type { Car } from './train.ts';

/**
 * What the ends of a link tell each other outside of frames: over simple-peer's channel on a direct
 * path (ping, pong), over the relay everything. One byte of kind, then the body, little endian.
 */
export type LinkMessage =
  | { readonly type: 'data'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'credit'; readonly bytes: number }
  | { readonly type: 'end' }
  /** `at`: the sender's clock, echoed by the pong; means nothing to the other end. */
  | { readonly type: 'ping'; readonly at: number }
  | { readonly type: 'pong'; readonly at: number }
  /** A message of a train (`train.ts`), filled up to `bytes` with zeros, and what a whole one told. */
  | { readonly type: 'car'; readonly car: Car; readonly bytes: number }
  | { readonly type: 'train'; readonly round: number; readonly bytesPerMs: number };

const KINDS = ['data', 'credit', 'end', 'ping', 'pong', 'car', 'train'] as const;
const DATA = 0;
export const LINK_MESSAGE_HEADER_BYTES = 1;
/** Kind, u32 round, u8 which, u8 of how many. */
const CAR_HEADER_BYTES = 7;
const TRAIN_BYTES = 13;
const BYTES_PER_MS_MAX = 1e9;

export function encodeLinkMessage(message: LinkMessage): Uint8Array<ArrayBuffer> {
  const kind = KINDS.indexOf(message.type);
  switch (message.type) {
    case 'data': {
      const bytes = new Uint8Array(1 + message.bytes.length);
      bytes[0] = kind;
      bytes.set(message.bytes, 1);
      return bytes;
    }
    case 'end':
      return Uint8Array.of(kind);
    case 'credit':
    case 'ping':
    case 'pong': {
      const view = new DataView(new ArrayBuffer(9));
      view.setUint8(0, kind);
      view.setFloat64(1, message.type === 'credit' ? message.bytes : message.at, true);
      return new Uint8Array(view.buffer);
    }
    case 'car': {
      const view = new DataView(new ArrayBuffer(message.bytes));
      view.setUint8(0, kind);
      view.setUint32(1, message.car.round, true);
      view.setUint8(5, message.car.at);
      view.setUint8(6, message.car.of);
      return new Uint8Array(view.buffer);
    }
    case 'train': {
      const view = new DataView(new ArrayBuffer(TRAIN_BYTES));
      view.setUint8(0, kind);
      view.setUint32(1, message.round, true);
      view.setFloat64(5, message.bytesPerMs, true);
      return new Uint8Array(view.buffer);
    }
  }
}

/** Null for what is no link message; never throws. */
export function decodeLinkMessage(bytes: Uint8Array): LinkMessage | null {
  const type = KINDS[bytes[0] ?? KINDS.length];
  if (type === undefined) return null;
  if (type === 'data') return bytes.length > 1 ? { type, bytes: bodyOf(bytes) } : null;
  if (type === 'end') return bytes.length === 1 ? { type } : null;
  if (type === 'car') return decodeCar(bytes);
  if (type === 'train') return decodeTrain(bytes);
  if (bytes.length !== 9) return null;
  const value = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(1, true);
  if (!(value >= 0 && value <= 2 ** 48)) return null;
  if (type === 'credit') return Number.isInteger(value) ? { type, bytes: value } : null;
  return { type, at: value };
}

function decodeCar(bytes: Uint8Array): LinkMessage | null {
  if (bytes.length < CAR_HEADER_BYTES || bytes.length > MESH.trainCarBytes) return null;
  // With anything in it a car would carry bytes past the relay's rule (M4).
  for (let i = CAR_HEADER_BYTES; i < bytes.length; i += 1) if (bytes[i] !== 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const car = { round: view.getUint32(1, true), at: view.getUint8(5), of: view.getUint8(6) };
  const isTrain = car.of >= MESH.trainCarsMin && car.of <= MESH.trainCarsMax && car.at < car.of;
  return isTrain ? { type: 'car', car, bytes: bytes.length } : null;
}

function decodeTrain(bytes: Uint8Array): LinkMessage | null {
  if (bytes.length !== TRAIN_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const bytesPerMs = view.getFloat64(5, true);
  if (!(bytesPerMs > 0 && bytesPerMs <= BYTES_PER_MS_MAX)) return null;
  return { type: 'train', round: view.getUint32(1, true), bytesPerMs };
}

/** A copy of its own, as it may be transferred; Node's `Buffer.slice` would share a pool. */
function bodyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(bytes.length - LINK_MESSAGE_HEADER_BYTES);
  body.set(bytes.subarray(LINK_MESSAGE_HEADER_BYTES));
  return body;
}

/** Frame bytes inside a relayed message; 0 where it carries none (the server reads no further). */
export const dataBytesOf = (bytes: Uint8Array): number =>
  bytes[0] === DATA ? bytes.length - LINK_MESSAGE_HEADER_BYTES : 0;
