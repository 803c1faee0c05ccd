import { isFault } from '#lib/kernel/errors.ts';
import { Reader, Writer } from '#lib/ledger/pbft/codec/bytes.ts';

/** First byte of a link's own frames; the core's messages begin with 1 to 13. */
const PING = 0;

/** Asks a peer for its clock, or answers: only operators look at it, nothing is decided by it. */
export type Ping =
  | { readonly kind: 'ask'; readonly sentAt: number }
  | { readonly kind: 'answer'; readonly sentAt: number; readonly wallMs: number };

export const isPing = (frame: Uint8Array): boolean => frame[0] === PING;

export function encodePing(ping: Ping): Uint8Array {
  const out = new Writer().u8(PING);
  return ping.kind === 'ask'
    ? out.u8(0).u64(ping.sentAt).done()
    : out.u8(1).u64(ping.sentAt).u64(ping.wallMs).done();
}

/** Null where the bytes are none. Never throws. */
export function decodePing(bytes: Uint8Array): Ping | null {
  try {
    const from = new Reader(bytes);
    if (from.u8() !== PING) return null;
    const kind = from.u8();
    const sentAt = from.u64();
    const ping: Ping | null =
      kind === 0
        ? { kind: 'ask', sentAt }
        : kind === 1
          ? { kind: 'answer', sentAt, wallMs: from.u64() }
          : null;
    from.end();
    return ping;
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}
