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
  | { readonly type: 'pong'; readonly at: number };

const KINDS = ['data', 'credit', 'end', 'ping', 'pong'] as const;
const DATA = 0;
export const LINK_MESSAGE_HEADER_BYTES = 1;

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
  }
}

/** Null for what is no link message; never throws. */
export function decodeLinkMessage(bytes: Uint8Array): LinkMessage | null {
  const type = KINDS[bytes[0] ?? KINDS.length];
  if (type === undefined) return null;
  if (type === 'data') return bytes.length > 1 ? { type, bytes: bodyOf(bytes) } : null;
  if (type === 'end') return bytes.length === 1 ? { type } : null;
  if (bytes.length !== 9) return null;
  const value = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(1, true);
  if (!(value >= 0 && value <= 2 ** 48)) return null;
  if (type === 'credit') return Number.isInteger(value) ? { type, bytes: value } : null;
  return { type, at: value };
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
