import { accountId, newAccount } from '../accounts.ts';
import { activeGateway, gatewayToday } from '../gateways.ts';
import type { Rule } from './outcome.ts';

/** Starter credit from the treasury, once per account, on a registered gateway's word (A9). */
export const grant: Rule<'grant'> = (draft, body, { publicKey }) => {
  const { timeMs, day, totals } = draft;
  const active = activeGateway(draft, publicKey);
  if (!active) return 'ledger/not-authorised';
  const gateway = gatewayToday(active, day);
  if (body.amountMicro > gateway.grantMicroMax) return 'ledger/over-limit';
  if (gateway.usedGrants >= gateway.grantsPerDay) return 'ledger/over-limit';
  if (body.expiresAtMs <= timeMs) return 'ledger/expired';
  if (body.amountMicro > totals.treasuryMicro) return 'ledger/insufficient-credit';
  const id = accountId(body.publicKey, draft.sha256);
  const account = draft.get('account', id) ?? newAccount(body.publicKey, id);
  if (account.granted === 1) return 'ledger/id-conflict';
  draft.toTreasury(-body.amountMicro);
  draft.put('gateway', { ...gateway, usedGrants: gateway.usedGrants + 1 });
  draft.put('account', {
    ...account,
    granted: 1,
    starterMicro: body.amountMicro,
    starterExpiresAtMs: body.expiresAtMs,
    activeDay: day,
  });
  return 'ok';
};
