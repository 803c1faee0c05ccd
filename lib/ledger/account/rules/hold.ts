import { bytesEqual, ZERO_HASH } from '#lib/ledger/crypto/sha256.ts';
import { fitsDay, keyFor, taken, withKey, withUse, type Parts } from '../accounts.ts';
import { SCOPE_SPEND, type BodyOf } from '../codec/bodies.ts';
import type { ResultCode } from '../codes.ts';
import type { Draft } from '../draft.ts';
import { activeGateway } from '../gateways.ts';
import { HOLD_ID_AGE_MS_MAX, HOLD_MS_MAX, HOLD_MS_MIN, OPEN_HOLDS_MAX } from '../limits.ts';
import {
  HOLD_OPEN,
  type Account,
  type AccountKey,
  type Cluster,
  type Hold,
  type Member,
} from '../records/records.ts';
import type { Rule } from './outcome.ts';

/** Credit set aside for one job of one gateway (A4 to A6). */
export const hold: Rule<'hold'> = (draft, body, { publicKey }) => {
  const account = draft.get('account', body.account);
  if (!account) return 'ledger/unknown-account';
  const key = keyFor(account, publicKey, { scope: SCOPE_SPEND, timeMs: draft.timeMs });
  if (!key) return 'ledger/not-authorised';
  const known = draft.get('hold', body.holdId);
  if (known) {
    return repeats(known, body) ? { code: 'ok', sequence: known.openedAt } : 'ledger/id-conflict';
  }
  const refused = bounds(draft, body) ?? limits(draft, { body, account, key });
  if (refused) return refused;
  const parts = pay(draft, { body, account, key });
  if (!('earnedMicro' in parts)) return parts.refused;
  draft.put('hold', {
    id: body.holdId,
    status: HOLD_OPEN,
    account: body.account,
    publicKey,
    gateway: body.gateway,
    cluster: body.cluster ?? ZERO_HASH,
    amountMicro: body.amountMicro,
    ...parts,
    expiresAtMs: body.expiresAtMs,
    day: draft.day,
    openedAt: draft.sequence,
    capturedMicro: 0n,
    closedAt: 0n,
    closedAtMs: 0n,
  });
  return 'ok';
};

type HoldBody = BodyOf<'hold'>;

const repeats = (known: Hold, body: HoldBody): boolean =>
  bytesEqual(known.account, body.account) &&
  bytesEqual(known.gateway, body.gateway) &&
  bytesEqual(known.cluster, body.cluster ?? ZERO_HASH) &&
  known.amountMicro === body.amountMicro &&
  known.expiresAtMs === body.expiresAtMs;

/** When a hold's id was made, by its first six bytes. */
export const holdIdMs = (id: Uint8Array): bigint =>
  id.subarray(0, 6).reduce((ms, byte) => (ms << 8n) | BigInt(byte), 0n);

/** What is wrong with the body itself, at this time. */
function bounds(draft: Draft, body: HoldBody): ResultCode | null {
  const { timeMs } = draft;
  const madeAtMs = holdIdMs(body.holdId);
  // An id that is too old may have been used and forgotten: this is what makes ids good once, for ever.
  if (madeAtMs + HOLD_ID_AGE_MS_MAX < timeMs) return 'ledger/expired';
  if (madeAtMs > timeMs + HOLD_ID_AGE_MS_MAX) return 'ledger/over-limit';
  if (body.expiresAtMs < timeMs + HOLD_MS_MIN) return 'ledger/expired';
  if (body.expiresAtMs > timeMs + HOLD_MS_MAX) return 'ledger/over-limit';
  if (body.amountMicro < draft.constitution.parameters.holdMicroMin) return 'ledger/over-limit';
  return activeGateway(draft, body.gateway) ? null : 'ledger/not-authorised';
}

interface Payer {
  readonly body: HoldBody;
  readonly account: Account;
  readonly key: AccountKey;
}

function limits(draft: Draft, { body, account, key }: Payer): ResultCode | null {
  const { amountMicro } = body;
  if (amountMicro > key.holdMaxMicro) return 'ledger/over-limit';
  if (!fitsDay(key, amountMicro, draft.day)) return 'ledger/over-limit';
  if (body.cluster === null) return account.openHolds < OPEN_HOLDS_MAX ? null : 'ledger/over-limit';
  const cluster = draft.get('cluster', body.cluster);
  if (!cluster) return 'ledger/unknown-account';
  const member = memberOf(draft, cluster, account);
  if (!member) return 'ledger/not-authorised';
  if (!fitsDay(member, amountMicro, draft.day)) return 'ledger/over-limit';
  return cluster.openHolds < OPEN_HOLDS_MAX ? null : 'ledger/over-limit';
}

const memberOf = (draft: Draft, cluster: Cluster, account: Account): Member | null =>
  draft.get('member', new Uint8Array([...cluster.id, ...account.id]));

/** Takes the amount from the account, or from the cluster and then all of it as earned. */
function pay(draft: Draft, { body, account, key }: Payer): Parts | { refused: ResultCode } {
  const { amountMicro } = body;
  const { day, timeMs } = draft;
  const cluster = body.cluster && draft.get('cluster', body.cluster);
  const used = { ...withKey(account, withUse(key, amountMicro, day)), activeDay: day };
  if (!cluster) {
    const took = taken(used, amountMicro, timeMs);
    if (!took) return { refused: 'ledger/insufficient-credit' };
    draft.put('account', {
      ...took.account,
      heldMicro: account.heldMicro + amountMicro,
      openHolds: account.openHolds + 1,
    });
    return took.parts;
  }
  if (cluster.micro < amountMicro) return { refused: 'ledger/insufficient-credit' };
  draft.put('account', used);
  draft.put('cluster', {
    ...cluster,
    micro: cluster.micro - amountMicro,
    heldMicro: cluster.heldMicro + amountMicro,
    openHolds: cluster.openHolds + 1,
    activeDay: day,
  });
  const member = memberOf(draft, cluster, account);
  if (member) draft.put('member', { ...withUse(member, amountMicro, day), activeDay: day });
  return { starterMicro: 0n, starterExpiresAtMs: 0n, earnedMicro: amountMicro };
}
