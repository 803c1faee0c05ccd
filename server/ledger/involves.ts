import { toHex } from '#lib/kernel/bytes.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import type { Transaction } from '#lib/ledger/account/codec/transaction.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';

/** What is known of an account while its blocks go by. */
export interface Involved {
  readonly account: Uint8Array;
  /** Its keys, in hex. */
  readonly keys: Set<string>;
  /** Holds that it paid for, in hex: who captures or voids one names nothing else. */
  readonly holds: Set<string>;
}

/** Is a transaction about this account? Remembers the holds and keys that it names. */
export function involves(of: Involved, { body, publicKey }: Transaction, sha256: Sha256): boolean {
  if ('account' in body) {
    if (!bytesEqual(body.account, of.account)) return 'member' in body && isMember(of, body.member);
    if (body.type === 'hold') of.holds.add(toHex(body.holdId));
    if (body.type === 'delegate') of.keys.add(toHex(body.publicKey));
    return true;
  }
  switch (body.type) {
    case 'grant':
      return bytesEqual(accountId(body.publicKey, sha256), of.account);
    case 'capture':
    case 'void':
      return of.holds.has(toHex(body.holdId));
    case 'mint':
      return (
        of.holds.has(toHex(body.holdId)) ||
        body.shares.some(({ worker }) => bytesEqual(accountId(worker, sha256), of.account))
      );
    default:
      return of.keys.has(toHex(publicKey));
  }
}

const isMember = (of: Involved, member: Uint8Array): boolean => bytesEqual(member, of.account);
