import { invariant, unreachable } from '#lib/kernel/assert.ts';
import { fromHex, toHex } from '#lib/kernel/bytes.ts';
import type { SessionId } from '#lib/kernel/ids.ts';
import type { Frame } from './frame.ts';
import { RING, WIRE } from './limits.ts';
import { readValues, rowBytes, writeValues, type ValueRejection } from './row-values.ts';
import { WIRE_DTYPES } from './session-messages.ts';

/**
 * A frame on the wire: a fixed header of 48 bytes, then the rows, or a token's drafts as u32. Little
 * endian throughout.
 *
 *  0 u8  version      1 u8 type (1 rows, 2 token, 3 chunk-ack)   2 u8 dtype (0 f32, 1 f16, 2 int8)   3 u8 0
 *  4 u32 epoch        8 16 bytes session                        24 u32 place       28 u32 seq
 * 32 u32 first position | position | taken                      36 u32 rows | id | 0
 * 40 u32 width | drafts | 0                                     44 u32 payload bytes
 *
 * Payload: rows × `rowBytes` | 4 × drafts | 0.
 */
export const FRAME_HEADER_BYTES = 48;
const VERSION = 2;
const DRAFT_BYTES = 4;
const TYPES = ['rows', 'token', 'chunk-ack'] as const;

/** Why bytes are not a frame; each is held against the peer (M4). */
export type FrameRejection = 'version' | 'malformed' | 'length' | ValueRejection;
export type DecodedFrame =
  | { readonly ok: true; readonly frame: Frame }
  | { readonly ok: false; readonly why: FrameRejection };

const reject = (why: FrameRejection): DecodedFrame => ({ ok: false, why });

export const frameBytes = (frame: Frame): number => FRAME_HEADER_BYTES + payloadBytes(frame);

function payloadBytes(frame: Frame): number {
  switch (frame.type) {
    case 'rows':
      return frame.rows * rowBytes(frame.width, frame.dtype);
    case 'token':
      return frame.drafts.length * DRAFT_BYTES;
    case 'chunk-ack':
      return 0;
    default:
      return unreachable(frame);
  }
}

/** The bytes of `frame`, after `headroom` bytes left free for the fragment header of a link. */
export function encodeFrame(frame: Frame, headroom = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(headroom + frameBytes(frame));
  const view = new DataView(bytes.buffer, headroom);
  view.setUint8(0, VERSION);
  view.setUint8(1, TYPES.indexOf(frame.type) + 1);
  view.setUint32(4, frame.epoch, true);
  const session = fromHex(frame.session);
  invariant(session?.length === 16, 'a session id is 16 bytes of hex');
  bytes.set(session, headroom + 8);
  view.setUint32(24, frame.place, true);
  view.setUint32(44, bytes.length - headroom - FRAME_HEADER_BYTES, true);
  switch (frame.type) {
    case 'rows':
      view.setUint8(2, WIRE_DTYPES.indexOf(frame.dtype));
      view.setUint32(28, frame.seq, true);
      view.setUint32(32, frame.firstPosition, true);
      view.setUint32(36, frame.rows, true);
      view.setUint32(40, frame.width, true);
      writeValues(bytes.subarray(headroom + FRAME_HEADER_BYTES), frame.data, frame);
      return bytes;
    case 'token':
      view.setUint32(28, frame.seq, true);
      view.setUint32(32, frame.position, true);
      view.setUint32(36, frame.id, true);
      view.setUint32(40, frame.drafts.length, true);
      for (const [i, draft] of frame.drafts.entries())
        view.setUint32(FRAME_HEADER_BYTES + DRAFT_BYTES * i, draft, true);
      return bytes;
    case 'chunk-ack':
      view.setUint32(32, frame.taken, true);
      return bytes;
    default:
      return unreachable(frame);
  }
}

/** Never throws: bytes come from a stranger. */
export function decodeFrame(bytes: Uint8Array): DecodedFrame {
  if (bytes.length < FRAME_HEADER_BYTES || bytes.length > WIRE.frameBytesMax) {
    return reject('length');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== VERSION) return reject('version');
  const type = TYPES[view.getUint8(1) - 1];
  const dtype = WIRE_DTYPES[view.getUint8(2)];
  const address = {
    session: toHex(bytes.subarray(8, 24)) as SessionId,
    epoch: view.getUint32(4, true),
    place: view.getUint32(24, true),
  };
  if (!type || !dtype || view.getUint8(3) !== 0) return reject('malformed');
  if (address.epoch > 2 ** 31 || address.place >= WIRE.placesMax) return reject('malformed');
  const words = [28, 32, 36, 40, 44].map((at) => view.getUint32(at, true));
  const [seq, position, count, width, payload] = words as [number, number, number, number, number];
  if (payload !== bytes.length - FRAME_HEADER_BYTES) return reject('length');
  if (type === 'rows') {
    const shape = { seq, firstPosition: position, rows: count, width, dtype };
    if (!isRowsShape(shape)) return reject('malformed');
    if (payload !== count * rowBytes(width, dtype)) return reject('length');
    const data = readValues(bytes.subarray(FRAME_HEADER_BYTES), { width, dtype });
    if (typeof data === 'string') return reject(data);
    return { ok: true, frame: { type, ...address, ...shape, data } };
  }
  if (dtype !== 'f32') return reject('malformed');
  if (type === 'token') {
    if (position > WIRE.promptIdsMax || count > WIRE.tokenIdMax) return reject('malformed');
    if (width > RING.draftsMax) return reject('malformed');
    if (payload !== width * DRAFT_BYTES) return reject('length');
    const drafts = readDrafts(view, width);
    if (drafts.some((id) => id > WIRE.tokenIdMax)) return reject('malformed');
    return { ok: true, frame: { type, ...address, seq, position, id: count, drafts } };
  }
  if (payload !== 0) return reject('length');
  if (seq !== 0 || count !== 0 || width !== 0) return reject('malformed');
  return { ok: true, frame: { type, ...address, taken: position } };
}

const readDrafts = (view: DataView, count: number): number[] =>
  Array.from({ length: count }, (_, i) =>
    view.getUint32(FRAME_HEADER_BYTES + DRAFT_BYTES * i, true),
  );

function isRowsShape(shape: { firstPosition: number; rows: number; width: number }): boolean {
  const { firstPosition, rows, width } = shape;
  if (rows < 1 || rows > WIRE.rowsPerFrameMax) return false;
  if (width < 1 || width > WIRE.hiddenMax) return false;
  return firstPosition + rows <= WIRE.promptIdsMax;
}
