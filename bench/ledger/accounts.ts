import { newAccount } from '#lib/ledger/account/accounts.ts';
import { signTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { recordKey, writeRecord } from '#lib/ledger/account/records/kinds.ts';
import { totalsOf, type LedgerState } from '#lib/ledger/account/state.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { trieUpdate } from '#lib/ledger/crypto/trie/update.ts';
import { HOUR, START_MS, type World } from '#tests/support/ledger/world.ts';

const EACH_MICRO = 1_000_000n;

const nameOf = (i: number): string => `account ${i}`;

/** The world's state with so many accounts more, each with credit from the treasury. */
export function withAccounts(world: World, count: number): LedgerState {
  const { state } = world;
  const totals = totalsOf(state, nodeSha256);
  const sum = EACH_MICRO * BigInt(count);
  const records = Array.from({ length: count }, (_, i) => {
    const id = world.id(nameOf(i));
    const account = { ...newAccount(world.key(nameOf(i)), id), earnedMicro: EACH_MICRO };
    return {
      key: recordKey('account', id, nodeSha256),
      value: writeRecord('account', account),
    };
  });
  const moved = {
    ...totals,
    treasuryMicro: totals.treasuryMicro - sum,
    accountsMicro: sum,
  };
  const change = {
    key: recordKey('totals', new Uint8Array(0), nodeSha256),
    value: writeRecord('totals', moved),
  };
  return { ...state, trie: trieUpdate(state.trie, [...records, change], nodeSha256) };
}

/** Holds of accounts all over the trie, signed. */
export function holdsOver(
  world: World,
  of: { readonly accounts: number; readonly sequence: number; readonly count: number },
): Uint8Array[] {
  return Array.from({ length: of.count }, (_, i) => {
    const name = nameOf((of.sequence * 65 + i * 997) % of.accounts);
    const holdId = world.holdId(`bench ${of.sequence} ${i}`);
    const { body } = world.hold(holdId, name, { expiresAtMs: START_MS + HOUR });
    const nonce = BigInt(of.sequence * of.count + i);
    const validUntilMs = START_MS + 60_000n;
    return signTransaction({ chain: world.chain, nonce, validUntilMs, body }, world.signer(name));
  });
}
