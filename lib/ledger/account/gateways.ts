import type { Draft } from './draft.ts';
import { NEVER, type Gateway } from './records/records.ts';

/** The registered gateway with this key, unless it was revoked. */
export function activeGateway(draft: Draft, publicKey: Uint8Array): Gateway | null {
  const gateway = draft.get('gateway', publicKey);
  return gateway?.revokedSinceDay === NEVER ? gateway : null;
}

/** Its counts of this ledger day. */
export const gatewayToday = (gateway: Gateway, day: number): Gateway =>
  gateway.usedDay === day
    ? gateway
    : { ...gateway, usedDay: day, usedGrants: 0, usedSubsidyMicro: 0n };
