import { concatBytes } from '#lib/kernel/bytes.ts';
import { must } from '#lib/kernel/assert.ts';
import { bytesEqual, ZERO_HASH } from '#lib/ledger/crypto/sha256.ts';
import { givenBack, listedKey, withKey, withoutUse, type Parts } from '../accounts.ts';
import type { Draft } from '../draft.ts';
import { activeGateway } from '../gateways.ts';
import { POT_MS } from '../limits.ts';
import {
  HOLD_CAPTURED,
  HOLD_EXPIRED,
  HOLD_OPEN,
  HOLD_VOIDED,
  type Hold,
} from '../records/records.ts';
import type { Outcome, Rule } from './outcome.ts';

/** The one end of a hold: captured, voided or expired (A5). */

export const capture: Rule<'capture'> = (draft, { holdId, amountMicro }, { publicKey }) => {
  const hold = draft.get('hold', holdId);
  if (!hold) return 'ledger/unknown-hold';
  if (!bytesEqual(hold.gateway, publicKey)) return 'ledger/not-authorised';
  if (hold.status === HOLD_CAPTURED) {
    return hold.capturedMicro === amountMicro
      ? { code: 'ok', sequence: hold.closedAt }
      : 'ledger/id-conflict';
  }
  const refused = whyNotOpen(draft, hold);
  if (refused) return refused;
  if (!activeGateway(draft, publicKey) || wasRevoked(draft, hold)) return 'ledger/not-authorised';
  if (amountMicro > hold.amountMicro) return 'ledger/over-hold';
  close(draft, hold, { status: HOLD_CAPTURED, capturedMicro: amountMicro });
  fillPot(draft, hold, amountMicro);
  return 'ok';
};

export const voidHold: Rule<'void'> = (draft, { holdId }, { publicKey }) => {
  const hold = draft.get('hold', holdId);
  if (!hold) return 'ledger/unknown-hold';
  if (!bytesEqual(hold.gateway, publicKey)) return 'ledger/not-authorised';
  if (hold.status === HOLD_VOIDED) return { code: 'ok', sequence: hold.closedAt };
  const refused = whyNotOpen(draft, hold);
  if (refused) return refused;
  close(draft, hold, { status: HOLD_VOIDED, capturedMicro: 0n });
  return 'ok';
};

/** The sweep's end of a hold that nobody settled. */
export const expireHold = (draft: Draft, hold: Hold): void =>
  close(draft, hold, { status: HOLD_EXPIRED, capturedMicro: 0n });

function whyNotOpen(draft: Draft, hold: Hold): Outcome | null {
  if (hold.status === HOLD_EXPIRED) return 'ledger/hold-expired';
  if (hold.status !== HOLD_OPEN) return 'ledger/hold-closed';
  return draft.timeMs >= hold.expiresAtMs ? 'ledger/hold-expired' : null;
}

/**
 * A gateway that was itself a delegate, and no longer is, captures nothing of what it held so: its key
 * may have leaked. Holds signed by other keys stand, or a reader could take an answer and revoke.
 */
function wasRevoked(draft: Draft, hold: Hold): boolean {
  if (!bytesEqual(hold.publicKey, hold.gateway)) return false;
  const account = must(draft.get('account', hold.account), 'an account with an open hold');
  return listedKey(account, hold.publicKey) === null;
}

/** Closes a hold; what was not captured returns to where it came from. */
function close(
  draft: Draft,
  hold: Hold,
  end: { readonly status: number; readonly capturedMicro: bigint },
): void {
  const { sequence: closedAt, timeMs: closedAtMs } = draft;
  draft.put('hold', { ...hold, ...end, closedAt, closedAtMs });
  const restMicro = hold.amountMicro - end.capturedMicro;
  const account = must(draft.get('account', hold.account), 'an account with an open hold');
  const key = listedKey(account, hold.publicKey);
  const released = key ? withKey(account, withoutUse(key, restMicro, hold.day)) : account;
  if (!bytesEqual(hold.cluster, ZERO_HASH)) {
    draft.put('account', released);
    closeOfCluster(draft, hold, restMicro);
    return;
  }
  const back = givenBack(released, partsLeft(hold, end.capturedMicro), draft.timeMs);
  draft.toTreasury(back.lostMicro);
  draft.put('account', {
    ...back.account,
    heldMicro: account.heldMicro - hold.amountMicro,
    openHolds: account.openHolds - 1,
  });
}

function closeOfCluster(draft: Draft, hold: Hold, restMicro: bigint): void {
  const cluster = must(draft.get('cluster', hold.cluster), 'a cluster with an open hold');
  draft.put('cluster', {
    ...cluster,
    micro: cluster.micro + restMicro,
    heldMicro: cluster.heldMicro - hold.amountMicro,
    openHolds: cluster.openHolds - 1,
  });
  const member = draft.get('member', concatBytes([hold.cluster, hold.account]));
  if (member) draft.put('member', withoutUse(member, restMicro, hold.day));
}

/** A capture uses starter credit first, as the hold did. */
function partsLeft(hold: Hold, capturedMicro: bigint): Parts {
  const ofStarter = hold.starterMicro < capturedMicro ? hold.starterMicro : capturedMicro;
  return {
    starterMicro: hold.starterMicro - ofStarter,
    starterExpiresAtMs: hold.starterExpiresAtMs,
    earnedMicro: hold.earnedMicro - (capturedMicro - ofStarter),
  };
}

const MILLION = 1_000_000n;

/** The job's pot, less the burn of every job, rounded up (A7). */
function fillPot(draft: Draft, hold: Hold, capturedMicro: bigint): void {
  const { burnPpm } = draft.constitution.parameters;
  const burnMicro = (capturedMicro * burnPpm + MILLION - 1n) / MILLION;
  draft.burn(burnMicro);
  draft.put('pot', {
    id: hold.id,
    gateway: hold.gateway,
    micro: capturedMicro - burnMicro,
    closesAtMs: draft.timeMs + POT_MS,
  });
}
