import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { WebRtc } from './types.ts';

export interface CollectedOptions {
  /** After the first of some closings; those that follow are collected with it. */
  readonly afterMs: number;
  readonly collect?: () => void;
}

/** What the first round frees of a connection holds its channels until the next. */
const ROUNDS = 2;

/**
 * `@roamhq/wrtc` gives a closed connection's two threads, four handles and 0.4 MiB back only when
 * V8 collects its JavaScript object, and to V8, which sees a small object in a thread that makes
 * little garbage, that may be hours. So it is asked to, a while after a connection closed: 10 ms of
 * a thread that computes nothing. Measured on 100 pairs of connections, one after the other: 134 MiB
 * and 820 handles without, 84 MiB and 60 handles with it.
 */
export function collectedWebRtc(wrtc: WebRtc, options: CollectedOptions): WebRtc {
  const { afterMs, collect = garbageCollection() } = options;
  let rounds = 0;
  let isDue = false;
  const collectSoon = (): void => {
    if (isDue || rounds === 0) return;
    isDue = true;
    setTimeout(() => {
      isDue = false;
      rounds -= 1;
      collect();
      collectSoon();
    }, afterMs).unref();
  };
  class CollectedConnection extends wrtc.RTCPeerConnection {
    override close(): void {
      super.close();
      rounds = ROUNDS;
      collectSoon();
    }
  }
  return { ...wrtc, RTCPeerConnection: CollectedConnection };
}

/**
 * V8's own `gc`, as `node --expose-gc` gives it: the flag counts for contexts made from then on. (By
 * an inspector's session, opened for it and closed again, the thread stands still now and then.)
 */
function garbageCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('typeof gc === "function" ? gc : null') as (() => void) | null;
  return collect ?? (() => undefined);
}
