import { CreditChannel } from './credit-channel.ts';

/** A window's bytes have few digits: what is longer is no credit. */
const CREDIT = /^[1-9]\d{0,8}$/;

/**
 * A byte channel over an `RTCDataChannel`, on whatever thread owns it: in a worker it may have been
 * transferred before it opened. Binary messages are data, text is credit in decimal digits. Needs an
 * ordered, reliable channel.
 *
 * `bufferedAmount` is no measure of what is on the way: SCTP takes what its congestion window allows,
 * and in slow start that window doubles until a socket's buffer overflows. A megabyte lost at once is
 * repeated after 1 to 2 s, in which the heartbeats of the same association wait too.
 */
export function rtcByteChannel(
  channel: RTCDataChannel,
  options: { readonly manual: boolean } = { manual: false },
): CreditChannel {
  /** Sent before it opened. Ended by the event alone: Node's `readyState` may turn between two sends. */
  let early: (Uint8Array<ArrayBuffer> | string)[] | null =
    channel.readyState === 'open' ? null : [];
  const send = (message: Uint8Array<ArrayBuffer> | string): void => {
    if (early) {
      early.push(message);
      return;
    }
    try {
      channel.send(message as string);
    } catch {
      bytes.close();
    }
  };
  const bytes = new CreditChannel(
    {
      data: send,
      credit: (read) => {
        send(String(read));
      },
      end: () => {
        channel.close();
      },
    },
    options,
  );
  // A Blob would cost a trip to another process for every message.
  channel.binaryType = 'arraybuffer';
  channel.addEventListener('open', () => {
    const waiting = early ?? [];
    early = null;
    waiting.forEach(send);
  });
  channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    if (data instanceof ArrayBuffer) bytes.takeData(new Uint8Array(data));
    else if (typeof data === 'string' && CREDIT.test(data)) bytes.takeCredit(Number(data));
    else bytes.close();
  });
  channel.addEventListener('close', () => {
    bytes.takeEnd();
  });
  return bytes;
}
