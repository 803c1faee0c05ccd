import { unreachable } from '#lib/kernel/assert.ts';
import { isFault, type FaultCode } from '#lib/kernel/errors.ts';
import { Reader, Writer } from '#lib/ledger/pbft/codec/bytes.ts';

/** First byte of a link's own frames; the core's messages begin with 1 to 13. */
const PING = 0;

/** Why a link ends that was not just lost, one byte by its place here; never given anew. */
export const LINK_ENDS = ['wire/malformed', 'wire/too-large'] as const satisfies FaultCode[];
export type LinkEnd = (typeof LINK_ENDS)[number];

/**
 * Asks a peer for its clock, or answers: only operators look at it, nothing is decided by it. `end` is the
 * last frame of a link, and says what was wrong with what the other end sent.
 */
export type Ping =
  | { readonly kind: 'ask'; readonly sentAt: number }
  | { readonly kind: 'answer'; readonly sentAt: number; readonly wallMs: number }
  | { readonly kind: 'end'; readonly code: LinkEnd };

export const isPing = (frame: Uint8Array): boolean => frame[0] === PING;

export function encodePing(ping: Ping): Uint8Array {
  const out = new Writer().u8(PING);
  switch (ping.kind) {
    case 'ask':
      return out.u8(0).u64(ping.sentAt).done();
    case 'answer':
      return out.u8(1).u64(ping.sentAt).u64(ping.wallMs).done();
    case 'end':
      return out.u8(2).u8(LINK_ENDS.indexOf(ping.code)).done();
    default:
      return unreachable(ping);
  }
}

/** Null where the bytes are none. Never throws. */
export function decodePing(bytes: Uint8Array): Ping | null {
  try {
    const from = new Reader(bytes);
    if (from.u8() !== PING) return null;
    const ping = read(from, from.u8());
    from.end();
    return ping;
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

function read(from: Reader, kind: number): Ping | null {
  if (kind === 0) return { kind: 'ask', sentAt: from.u64() };
  if (kind === 1) return { kind: 'answer', sentAt: from.u64(), wallMs: from.u64() };
  const code = kind === 2 ? LINK_ENDS[from.u8()] : undefined;
  return code === undefined ? null : { kind: 'end', code };
}
