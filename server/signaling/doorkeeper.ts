import type { IncomingMessage } from 'node:http';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { FaultCode } from '#lib/kernel/errors.ts';
import { SIGNALING } from './limits.ts';
import { addressKey, isForeignPage, originOf, type OriginRule } from './origin.ts';

type Decide = (error: string | null | undefined, allowed: boolean) => void;

/** Who may open a socket at all: by the name it came by, the page it came from, and its rate. */
export function doorkeeper(
  rule: OriginRule,
  onRefused: (code: FaultCode) => void,
): (request: IncomingMessage, decide: Decide) => void {
  const limiter = new RateLimiterMemory({
    points: SIGNALING.socketsPerAddressPerMinuteMax,
    duration: 60,
  });
  return (request, decide) => {
    const origin = originOf(request, rule);
    if (origin === null || isForeignPage(request, origin)) {
      onRefused('mesh/refused');
      decide('this server is not known by that name', false);
      return;
    }
    limiter.consume(addressKey(request.socket.remoteAddress ?? '')).then(
      () => {
        decide(null, true);
      },
      () => {
        onRefused('mesh/limit');
        decide('too many connections', false);
      },
    );
  };
}
