import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { keyFor, listedKey, taken, fitsDay, withKey, withUse } from '../accounts.ts';
import { SCOPE_DELEGATE, SCOPE_ROTATE, SCOPE_SPEND } from '../codec/bodies.ts';
import { U64_MAX } from '../codec/fields.ts';
import { KEYS_PER_ACCOUNT_MAX } from '../limits.ts';
import type { AccountKey } from '../records/records.ts';
import type { Rule } from './outcome.ts';

/**
 * Lists a key, or gives a listed one other terms (A10). Who may delegate gives keys that spend, within
 * its own limits; who may rotate gives any. What a key used today it has used under its new terms too.
 */
export const delegate: Rule<'delegate'> = (draft, body, { publicKey }) => {
  const { timeMs, day } = draft;
  const account = draft.get('account', body.account);
  if (!account) return 'ledger/unknown-account';
  const scope = Number(body.scope);
  const rotates = keyFor(account, publicKey, { scope: SCOPE_ROTATE, timeMs });
  const delegates = keyFor(account, publicKey, { scope: SCOPE_DELEGATE, timeMs });
  const listed = listedKey(account, body.publicKey);
  if (!rotates) {
    if (!delegates) return 'ledger/not-authorised';
    // No key makes one that outdoes it, nor changes one that could do the same to it.
    if (scope !== SCOPE_SPEND || (listed && listed.scope !== SCOPE_SPEND)) {
      return 'ledger/not-authorised';
    }
    if (!isWithin(body, delegates)) return 'ledger/over-limit';
  }
  if (body.expiresAtMs <= timeMs) return 'ledger/expired';
  if (!listed && account.keys.length >= KEYS_PER_ACCOUNT_MAX) return 'ledger/over-limit';
  const { dayLimitMicro, holdMaxMicro, expiresAtMs } = body;
  const used = listed ?? { usedDay: 0, usedMicro: 0n };
  const key: AccountKey = {
    publicKey: body.publicKey,
    scope,
    ...{ dayLimitMicro, holdMaxMicro, expiresAtMs },
    usedDay: used.usedDay,
    usedMicro: used.usedMicro,
  };
  const keys = listed ? withKey(account, key).keys : [...account.keys, key];
  if (!keys.some(isLasting)) return 'ledger/not-authorised';
  draft.put('account', { ...account, keys, activeDay: day });
  return 'ok';
};

type Terms = Pick<AccountKey, 'dayLimitMicro' | 'holdMaxMicro' | 'expiresAtMs'>;

const isWithin = (terms: Terms, of: Terms): boolean =>
  terms.dayLimitMicro <= of.dayLimitMicro &&
  terms.holdMaxMicro <= of.holdMaxMicro &&
  terms.expiresAtMs <= of.expiresAtMs;

/** An account always has a key that lists others and does not expire: without, its credit is lost. */
const isLasting = ({ scope, expiresAtMs }: AccountKey): boolean =>
  (scope & SCOPE_ROTATE) !== 0 && expiresAtMs === U64_MAX;

/** Strikes a key off. A key may strike off itself. */
export const revoke: Rule<'revoke'> = (draft, body, { publicKey }) => {
  const { timeMs, day } = draft;
  const account = draft.get('account', body.account);
  if (!account) return 'ledger/unknown-account';
  const listed = listedKey(account, body.publicKey);
  const rotates = keyFor(account, publicKey, { scope: SCOPE_ROTATE, timeMs });
  const delegates = keyFor(account, publicKey, { scope: SCOPE_DELEGATE, timeMs });
  const isOwn = bytesEqual(publicKey, body.publicKey);
  const spendsOnly = listed?.scope === SCOPE_SPEND;
  if (!listed || !(rotates || (delegates && spendsOnly) || isOwn)) return 'ledger/not-authorised';
  const keys = account.keys.filter((key) => key !== listed);
  if (!keys.some(isLasting)) return 'ledger/not-authorised';
  draft.put('account', { ...account, keys, activeDay: day });
  return 'ok';
};

/** Gives credit up for good. */
export const burn: Rule<'burn'> = (draft, { account: id, amountMicro }, { publicKey }) => {
  const { timeMs, day } = draft;
  const account = draft.get('account', id);
  if (!account) return 'ledger/unknown-account';
  const key = keyFor(account, publicKey, { scope: SCOPE_SPEND, timeMs });
  if (!key) return 'ledger/not-authorised';
  if (!fitsDay(key, amountMicro, day)) return 'ledger/over-limit';
  const took = taken(withKey(account, withUse(key, amountMicro, day)), amountMicro, timeMs);
  if (!took) return 'ledger/insufficient-credit';
  draft.burn(amountMicro);
  draft.put('account', { ...took.account, activeDay: day });
  return 'ok';
};
