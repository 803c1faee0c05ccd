import { expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { newAccount } from '#lib/ledger/account/accounts.ts';
import { recordKey, writeRecord } from '#lib/ledger/account/records/kinds.ts';
import { totalsOf, type LedgerState } from '#lib/ledger/account/state.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { trieUpdate } from '#lib/ledger/crypto/trie/update.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { stepReplica } from '#lib/ledger/pbft/replica.ts';
import type { Now } from '#lib/ledger/pbft/types.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { LocalCluster } from '#tests/support/ledger/local-cluster.ts';
import type { World } from '#tests/support/ledger/world.ts';

/** `npm run test:full` has 100 000. */
const ACCOUNTS = Number(process.env['LEDGER_TRANSACTIONS'] ?? 8_000);

/** Credit of the treasury on so many accounts. */
function withAccounts({ state }: World): LedgerState {
  const totals = totalsOf(state, nodeSha256);
  const accounts = Array.from({ length: ACCOUNTS }, (_, i) => {
    const key = nodeSha256(new TextEncoder().encode(`key ${i}`));
    const id = nodeSha256(key);
    const value = writeRecord('account', { ...newAccount(key, id), earnedMicro: 1n });
    return { key: recordKey('account', id, nodeSha256), value };
  });
  const moved = BigInt(ACCOUNTS);
  const value = writeRecord('totals', {
    ...totals,
    treasuryMicro: totals.treasuryMicro - moved,
    accountsMicro: totals.accountsMicro + moved,
  });
  const change = { key: recordKey('totals', new Uint8Array(0), nodeSha256), value };
  return { ...state, trie: trieUpdate(state.trie, [...accounts, change], nodeSha256) };
}

test('[R28] [P5] the state of many accounts comes over in pieces, and is the same', () => {
  const cluster = new LocalCluster({ checkpointInterval: 8n, logWindow: 16n }, withAccounts);
  const [giver, , , asker] = cluster.replicas;
  asker!.isCut = true;
  for (let i = 0; i < 9; i += 1)
    cluster.submit(cluster.world.sign(cluster.world.grant(`somebody ${i}`)));
  expect(giver!.state.stable.sequence).toBe(8);
  const sizes: number[] = [];
  let state = asker!.state;
  let from = giver!.state;
  const { timeMs } = cluster.world;
  for (let ms = 0; state.stable.sequence < 8; ms += 500) {
    const now: Now = { atMs: instantMs(60_000 + ms), wallMs: Number(timeMs) + ms };
    const status = stepReplica(from, { type: 'tick' }, now)[1];
    let waiting = status.map((effect) => ({ by: giver!.id, effect }));
    const [ticked, asked] = stepReplica(state, { type: 'tick' }, now);
    state = ticked;
    waiting.push(...asked.map((effect) => ({ by: asker!.id, effect })));
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { by, effect } = next;
      if (effect.type !== 'send') continue;
      sizes.push(effect.bytes.length);
      const event = {
        type: 'message',
        bytes: effect.bytes,
        link: { kind: 'replica', id: by },
      } as const;
      const isAsker = by === asker!.id;
      const [after, effects] = stepReplica(isAsker ? from : state, event, now);
      if (isAsker) from = after;
      else state = after;
      const to = isAsker ? giver!.id : asker!.id;
      waiting = [...waiting, ...effects.map((each) => ({ by: to, effect: each }))];
    }
    expect(ms).toBeLessThan(60_000);
  }
  expect(toHex(state.head.header.stateRoot)).toBe(
    toHex(giver!.state.checkpoints.get(8)!.header.stateRoot),
  );
  expect(Math.max(...sizes)).toBeLessThan(LIMITS.pieceBytesMax + 32 * 8192);
  expect(sizes.filter((size) => size > 100_000).length).toBeGreaterThan(1);
}, 60_000);
