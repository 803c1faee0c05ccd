import type { ResultCode } from '#lib/ledger/account/codes.ts';

/** Why an ordered transaction had no effect, and what to do, for who typed it. */
export const OUTCOME_TEXT: Readonly<Record<Exclude<ResultCode, 'ok'>, string>> = {
  'ledger/insufficient-credit': 'the account has not so much free: balance shows what it has',
  'ledger/over-limit':
    'beyond a limit: of the gateway a day or a grant, of the key a day or a hold, the least hold and its 24 h, or how many there may be',
  'ledger/over-hold': 'more than the hold holds: capture less',
  'ledger/unknown-account':
    'there is no such account, cluster, gateway or replica: an account begins with a GRANT or a MINT',
  'ledger/unknown-hold': 'there is no such hold (any more): is its id right?',
  'ledger/not-authorised':
    'this key may not do it: a registered gateway grants, the hold’s gateway captures and voids, the account’s keys hold, and a quorum of operators approves a change',
  'ledger/id-conflict':
    'another request has this id or key already: an account is granted once, an id names one hold, a key one replica',
  'ledger/hold-closed': 'the hold was captured or voided before',
  'ledger/hold-expired': 'the hold is over: its credit is back in the account',
  'ledger/nonce-too-old': 'the nonce is older than all that are kept: make a new transaction',
  'ledger/expired':
    'its time is over, or the epoch that it names is not the one that runs: members shows the epoch',
  'wire/malformed': 'it is no transaction of this version',
};
