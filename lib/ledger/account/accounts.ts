import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { SCOPE_ALL } from './codec/bodies.ts';
import { U64_MAX } from './codec/fields.ts';
import { AMOUNT_MICRO_MAX, TIER_DAYS } from './limits.ts';
import type { Account, AccountKey } from './records/records.ts';

/** Changes of one account, and what may be read from it. Pure: no account is changed in place. */

/** An account's id: SHA-256 of its first key, whatever keys it has later. */
export const accountId = (firstKey: Uint8Array, sha256: Sha256): Uint8Array => sha256(firstKey);

/** A key without limits or end. */
const fullKey = (publicKey: Uint8Array): AccountKey => ({
  publicKey,
  scope: SCOPE_ALL,
  dayLimitMicro: AMOUNT_MICRO_MAX,
  holdMaxMicro: AMOUNT_MICRO_MAX,
  expiresAtMs: U64_MAX,
  usedDay: 0,
  usedMicro: 0n,
});

export const newAccount = (firstKey: Uint8Array, id: Uint8Array): Account => ({
  id,
  starterMicro: 0n,
  starterExpiresAtMs: 0n,
  earnedMicro: 0n,
  maturingMicro: 0n,
  heldMicro: 0n,
  openHolds: 0,
  clusters: 0,
  granted: 0,
  firstMintDay: 0,
  activeDay: 0,
  keys: [fullKey(firstKey)],
  earnedDays: [],
});

/** The listed key, if it may do that now. */
export function keyFor(
  account: Account,
  publicKey: Uint8Array,
  need: { readonly scope: number; readonly timeMs: bigint },
): AccountKey | null {
  const key = listedKey(account, publicKey);
  return key && (key.scope & need.scope) !== 0 && key.expiresAtMs > need.timeMs ? key : null;
}

export const listedKey = (account: Account, publicKey: Uint8Array): AccountKey | null =>
  account.keys.find((key) => bytesEqual(key.publicKey, publicKey)) ?? null;

/** What counts an amount a day: a key of an account, a member of a cluster. */
interface DayLimited {
  readonly dayLimitMicro: bigint;
  readonly usedDay: number;
  readonly usedMicro: bigint;
}

const usedOn = (of: DayLimited, day: number): bigint => (of.usedDay === day ? of.usedMicro : 0n);

export const fitsDay = (of: DayLimited, micro: bigint, day: number): boolean =>
  usedOn(of, day) + micro <= of.dayLimitMicro;

export const withUse = <T extends DayLimited>(of: T, micro: bigint, day: number): T => ({
  ...of,
  usedDay: day,
  usedMicro: usedOn(of, day) + micro,
});

/**
 * Gives back what was counted on `day` and neither is held nor was captured; other days are over. Who
 * was struck off and listed again has counted less than its older holds.
 */
export function withoutUse<T extends DayLimited>(of: T, micro: bigint, day: number): T {
  if (of.usedDay !== day) return of;
  return { ...of, usedMicro: of.usedMicro > micro ? of.usedMicro - micro : 0n };
}

export const withKey = (account: Account, key: AccountKey): Account => ({
  ...account,
  keys: account.keys.map((each) => (bytesEqual(each.publicKey, key.publicKey) ? key : each)),
});

/** What an amount was taken from. */
export interface Parts {
  readonly starterMicro: bigint;
  readonly starterExpiresAtMs: bigint;
  readonly earnedMicro: bigint;
}

const starterAt = (account: Account, timeMs: bigint): bigint =>
  account.starterExpiresAtMs > timeMs ? account.starterMicro : 0n;

/** What can be held: starter credit that has not expired, and earned credit. */
export const spendable = (account: Account, timeMs: bigint): bigint =>
  starterAt(account, timeMs) + account.earnedMicro;

/** Starter credit first; null where there is not enough. */
export function taken(
  account: Account,
  micro: bigint,
  timeMs: bigint,
): { readonly account: Account; readonly parts: Parts } | null {
  if (spendable(account, timeMs) < micro) return null;
  const starter = starterAt(account, timeMs);
  const starterMicro = starter < micro ? starter : micro;
  const earnedMicro = micro - starterMicro;
  return {
    account: {
      ...account,
      starterMicro: account.starterMicro - starterMicro,
      earnedMicro: account.earnedMicro - earnedMicro,
    },
    parts: { starterMicro, starterExpiresAtMs: account.starterExpiresAtMs, earnedMicro },
  };
}

/** Each part returns to its bucket, starter with its old expiry; what has expired meanwhile is `lost`. */
export function givenBack(
  account: Account,
  parts: Parts,
  timeMs: bigint,
): { readonly account: Account; readonly lostMicro: bigint } {
  const alive = parts.starterExpiresAtMs > timeMs;
  const starterMicro = alive ? parts.starterMicro : 0n;
  return {
    account: {
      ...account,
      starterMicro: account.starterMicro + starterMicro,
      earnedMicro: account.earnedMicro + parts.earnedMicro,
    },
    lostMicro: parts.starterMicro - starterMicro,
  };
}

/** Counts what was earned towards the tier; days that are over fall off. */
export function withEarnings(account: Account, micro: bigint, day: number): Account {
  const kept = account.earnedDays.filter((each) => each.day > day - TIER_DAYS && each.day < day);
  const today = account.earnedDays.find((each) => each.day === day)?.micro ?? 0n;
  return { ...account, earnedDays: [...kept, { day, micro: today + micro }] };
}

export type Tier = 'standard' | 'priority';

/** By what was earned in the last 28 ledger days, not by what is left of it. */
export function tierOf(
  account: Account,
  at: { readonly day: number; readonly priorityMicro: bigint },
): Tier {
  const earned = account.earnedDays
    .filter(({ day }) => day > at.day - TIER_DAYS && day <= at.day)
    .reduce((sum, { micro }) => sum + micro, 0n);
  return earned >= at.priorityMicro ? 'priority' : 'standard';
}
