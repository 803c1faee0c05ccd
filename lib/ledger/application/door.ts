import { must, unreachable } from '#lib/kernel/assert.ts';
import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import { listedKey } from '#lib/ledger/account/accounts.ts';
import type { ResultCode } from '#lib/ledger/account/codes.ts';
import { isChange } from '#lib/ledger/account/codec/bodies.ts';
import type { Transaction } from '#lib/ledger/account/codec/transaction.ts';
import { VALIDITY_MS_MAX } from '#lib/ledger/account/limits.ts';
import { judgeNonce, keptOf, type Executed } from '#lib/ledger/account/nonces.ts';
import { noncePageId } from '#lib/ledger/account/records/kinds.ts';
import { NEVER } from '#lib/ledger/account/records/records.ts';
import { constitutionOf, recordOf, totalsOf, type LedgerState } from '#lib/ledger/account/state.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { Door } from '#lib/ledger/pbft/types.ts';

/** Why a door turns somebody away. */
export type DoorCode = Extract<
  ResultCode,
  | 'wire/malformed'
  | 'ledger/not-authorised'
  | 'ledger/id-conflict'
  | 'ledger/nonce-too-old'
  | 'ledger/expired'
  | 'ledger/over-limit'
  | 'ledger/unknown-account'
>;

/** What a replica's door says of a request, by the state that this replica has. */
export type DoorVerdict =
  | { readonly type: 'admitted' }
  /** It had its effect, or its refusal, before. */
  | { readonly type: 'executed'; readonly first: Executed }
  /** Ordering it could only bring this, or nobody may ask so. It is not on the chain. */
  | { readonly type: 'refused'; readonly code: DoorCode };

/**
 * A client's transaction must end so long before the latest end: clocks of replicas differ by as much,
 * and what one admits the primary must be able to propose, else its view would be found wanting.
 */
export const DOOR_MARGIN_MS = 5_000n;

interface Rules extends Door {
  readonly chain: Uint8Array;
  readonly sha256: Sha256;
}

const refused = (code: DoorCode): DoorVerdict => ({ type: 'refused', code });

/**
 * Unknown keys, used nonces and transactions out of their time are turned away before a signature is
 * verified: fresh keys are free, and cost nothing here. No batch is judged by it: replicas stand at
 * different blocks. Takes any bytes; never throws.
 */
export function judgeAtDoor(
  state: LedgerState,
  transaction: Transaction | FaultError,
  rules: Rules,
): DoorVerdict {
  if (isFault(transaction)) return refused('wire/malformed');
  if (!bytesEqual(transaction.chain, rules.chain)) return refused('wire/malformed');
  const nonce = nonceVerdict(state, transaction, rules.sha256);
  if (nonce !== null) return nonce;
  const margin = rules.isRelayed ? 0n : DOOR_MARGIN_MS;
  if (transaction.validUntilMs < totalsOf(state, rules.sha256).timeMs) {
    return refused('ledger/expired');
  }
  if (transaction.validUntilMs > BigInt(rules.wallMs) + VALIDITY_MS_MAX - margin) {
    return refused('ledger/over-limit');
  }
  const code = unknown(state, transaction, rules.sha256);
  return code === null ? { type: 'admitted' } : refused(code);
}

function nonceVerdict(
  state: LedgerState,
  transaction: Transaction,
  sha256: Sha256,
): DoorVerdict | null {
  const { publicKey } = transaction;
  const head = recordOf(state, ['nonces', publicKey], sha256);
  if (head === null) return null;
  const page = (from: bigint): Uint8Array => {
    const found = recordOf(state, ['nonce-page', noncePageId(publicKey, from)], sha256);
    return must(found, 'a page that is named').packed;
  };
  const kept = keptOf(head, () => {
    const gateway = recordOf(state, ['gateway', publicKey], sha256);
    return gateway?.revokedSinceDay === NEVER;
  });
  const verdict = judgeNonce({ head, page }, transaction, kept);
  switch (verdict.type) {
    case 'executed':
      return verdict;
    case 'used':
      return refused('ledger/id-conflict');
    case 'too-old':
      return refused('ledger/nonce-too-old');
    case 'fresh':
      return null;
    default:
      return unreachable(verdict);
  }
}

/** Does the state know this key for what it asks? Whether it may is execution's to say. */
function unknown(state: LedgerState, transaction: Transaction, sha256: Sha256): DoorCode | null {
  const { body, publicKey } = transaction;
  if (isChange(body)) {
    const { replicas } = constitutionOf(state, sha256);
    const isOperator = replicas.some(({ operatorKey }) => bytesEqual(operatorKey, publicKey));
    return isOperator ? null : 'ledger/not-authorised';
  }
  if (!('account' in body)) {
    const isGateway = recordOf(state, ['gateway', publicKey], sha256) !== null;
    return isGateway ? null : 'ledger/not-authorised';
  }
  const account = recordOf(state, ['account', body.account], sha256);
  if (account === null) return 'ledger/unknown-account';
  return listedKey(account, publicKey) === null ? 'ledger/not-authorised' : null;
}
