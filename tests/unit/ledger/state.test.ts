import { expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { NO_INDEXES, nextDueMs, openHoldIds } from '#lib/ledger/account/indexes.ts';
import { Draft } from '#lib/ledger/account/draft.ts';
import { execute } from '#lib/ledger/account/execute.ts';
import { SUPPLY_MICRO } from '#lib/ledger/account/limits.ts';
import { audit } from '#lib/ledger/account/audit.ts';
import {
  idOf,
  keyOfValue,
  readRecord,
  recordKey,
  writeRecord,
} from '#lib/ledger/account/records/kinds.ts';
import { restore, restoreFrom, restorePart, snapshot } from '#lib/ledger/account/snapshot.ts';
import { prove, type LedgerState } from '#lib/ledger/account/state.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { slabRoom } from '#lib/ledger/crypto/trie/build.ts';
import { trieUpdate } from '#lib/ledger/crypto/trie/update.ts';
import { verifyTrieProof } from '#lib/ledger/crypto/trie/proof.ts';
import { HOUR, World } from '#tests/support/ledger/world.ts';

function lived(): World {
  const world = new World();
  const job = world.pot('payer', 1_000n);
  world.do(world.mint(job), world.grant('ann'), world.hold(world.holdId('open'), 'ann'));
  return world;
}

test('[A17] a snapshot restores the state, what falls due included', () => {
  const world = lived();
  const { rootHash } = world.state.trie;
  const restored = restore(snapshot(world.state), rootHash, nodeSha256);
  expect(restored).toEqual(world.state);
  const block = { sequence: world.sequence + 1n, timeMs: world.timeMs + HOUR, transactions: [] };
  const [here, there] = [world.state, restored!].map((state) => execute(state, block, nodeSha256));
  expect(there!.roots).toEqual(here!.roots);
});

test('[A17] a snapshot with a part more, a part less, another part or noise is none', () => {
  const world = lived();
  const { rootHash } = world.state.trie;
  const parts = [...snapshot(world.state)];
  const noise = [new Uint8Array(0), Uint8Array.of(99), Uint8Array.of(3, 1, 2)];
  const account = parts.find((part) => part[0] === 3)!;
  const richer = account.slice();
  richer[40] = 1;
  for (const wrong of [
    parts.slice(1),
    [...parts, parts[0]!],
    ...noise.map((part) => [...parts, part]),
    parts.map((part) => (part === account ? richer : part)),
    [],
  ]) {
    expect(restore(wrong, rootHash, nodeSha256)).toBe(null);
  }
  expect(restore([...parts].reverse(), rootHash, nodeSha256)).toEqual(world.state);
});

test('[A17] a snapshot comes back part by part, however it is cut and in whatever order', () => {
  const world = lived();
  const { rootHash } = world.state.trie;
  const values = [...snapshot(world.state)];
  const room = slabRoom();
  for (const size of [1, 3, 7]) {
    const parts = Array.from({ length: Math.ceil(values.length / size) }, (_, i) =>
      restorePart(values.slice(i * size, (i + 1) * size), nodeSha256, room),
    ).filter((part) => part !== null);
    expect(restoreFrom(parts, rootHash, nodeSha256)).toEqual(world.state);
    expect(restoreFrom([...parts].reverse(), rootHash, nodeSha256)).toEqual(world.state);
    expect(restoreFrom(parts.slice(1), rootHash, nodeSha256)).toBeNull();
    expect(restoreFrom([...parts, parts[0]!], rootHash, nodeSha256)).toBeNull();
  }
  expect(restorePart([...values, Uint8Array.of(99)], nodeSha256, room)).toBeNull();
  expect(restorePart([...values, values[0]!], nodeSha256, room)).toBeNull();
});

test('[A17] of every kind a record begins with what its key is the hash of', () => {
  /** One that is as long as it is with nothing in its lists: zeros behind so many bytes. */
  const recordOf = (number: number, told: number): Uint8Array | undefined =>
    Array.from({ length: 512 }, (_, length) =>
      Uint8Array.from({ length }, (_, i) => (i === 0 ? number : i <= told ? i : 0)),
    ).find((value) => !isFault(readRecord(value)));
  const kinds = new Set<string>();
  for (let number = 1; number <= 13; number += 1) {
    const value = recordOf(number, 68) ?? recordOf(number, 40);
    const read = readRecord(value ?? new Uint8Array(0));
    if (isFault(read) || value === undefined) throw new Error(`no record of kind ${number}`);
    const { kind, record } = read;
    kinds.add(kind);
    const key = recordKey(kind, idOf(kind, record as never), nodeSha256);
    expect(toHex(keyOfValue(kind, value, nodeSha256)), kind).toBe(toHex(key));
  }
  expect(kinds.size).toBe(13);
});

test('[A17] a balance and an absence are proven to who has the root alone', () => {
  const world = lived();
  const { rootHash } = world.state.trie;
  for (const name of ['ann', 'nobody']) {
    const id = world.id(name);
    const { value, proof } = prove(world.state, ['account', id], nodeSha256);
    const key = recordKey('account', id, nodeSha256);
    expect(verifyTrieProof({ rootHash, key, value, proof }, nodeSha256)).toBe(true);
    const read = value && readRecord(value);
    expect(read === null ? null : isFault(read) ? read : read.record).toEqual(
      name === 'ann' ? world.account('ann') : null,
    );
    const lie = value === null ? writeRecord('account', { ...world.account('ann'), id }) : null;
    expect(verifyTrieProof({ rootHash, key, value: lie, proof }, nodeSha256)).toBe(false);
  }
});

test('[A1] an audit counts from the records, and finds what totals hide', () => {
  const { state } = lived();
  audit(state, nodeSha256);
  const change = (value: Uint8Array, id: Uint8Array): LedgerState => {
    const key = recordKey('account', id, nodeSha256);
    return { ...state, trie: trieUpdate(state.trie, [{ key, value }], nodeSha256) };
  };
  const world = lived();
  const ann = world.account('ann');
  const richer = writeRecord('account', { ...ann, earnedMicro: ann.earnedMicro + 1n });
  expect(() => audit(change(richer, ann.id), nodeSha256)).toThrow(/neither made nor lost/);
  const same = writeRecord('account', ann);
  audit(change(same, ann.id), nodeSha256);
});

test('[A1] what a restored state was counted for is what its records say', () => {
  const world = lived();
  const restored = restore(snapshot(world.state), world.state.trie.rootHash, nodeSha256)!;
  audit(restored, nodeSha256);
  const ann = world.account('ann');
  const key = recordKey('account', ann.id, nodeSha256);
  const value = writeRecord('account', { ...ann, earnedMicro: ann.earnedMicro + 1n });
  const richer = trieUpdate(restored.trie, [{ key, value }], nodeSha256);
  expect(() => audit({ ...restored, trie: richer }, nodeSha256)).toThrow(/neither made nor lost/);
  const made = restore(snapshot({ ...restored, trie: richer }), richer.rootHash, nodeSha256)!;
  expect(() => audit(made, nodeSha256)).toThrow(/neither made nor lost/);
});

test('[A1] a block that made credit, or lost some, is no block', () => {
  for (const micro of [1n, -1n]) {
    const world = lived();
    const block = { sequence: world.sequence + 1n, timeMs: world.timeMs };
    const draft = new Draft(world.state, block, nodeSha256);
    draft.toTreasury(micro);
    expect(() => draft.done()).toThrow(/neither made nor lost/);
  }
});

test('[A1] every checkpoint counts from the records', () => {
  const world = lived();
  const ann = world.account('ann');
  const key = recordKey('account', ann.id, nodeSha256);
  const value = writeRecord('account', { ...ann, earnedMicro: ann.earnedMicro + 1n });
  const trie = trieUpdate(world.state.trie, [{ key, value }], nodeSha256);
  world.state = { ...world.state, trie };
  const { checkpointInterval } = world.constitution.parameters;
  while ((world.sequence + 1n) % checkpointInterval !== 0n) world.block([]);
  expect(() => world.block([])).toThrow(/neither made nor lost/);
});

test('[A1] the sums name every micro, wherever it is', () => {
  const { totals } = lived();
  const { treasuryMicro, burnMicro, accountsMicro, maturingMicro, holdsMicro, potsMicro } = totals;
  expect(treasuryMicro + burnMicro + accountsMicro + maturingMicro + holdsMicro + potsMicro).toBe(
    SUPPLY_MICRO,
  );
  expect([burnMicro, accountsMicro, maturingMicro, holdsMicro, potsMicro]).toEqual([
    10n,
    905n,
    5n,
    100n,
    980n,
  ]);
});

test('[A13] ledger time never goes back, and a null batch leaves it where it is', () => {
  const world = lived();
  const before = world.totals.timeMs;
  const at = (timeMs: bigint) => {
    world.sequence += 1n;
    const block = { sequence: world.sequence, timeMs, transactions: [] };
    world.state = execute(world.state, block, nodeSha256).state;
    return world.totals.timeMs;
  };
  expect([at(0n), at(before - 5n), at(before + 5n), at(0n)]).toEqual([
    before,
    before,
    before + 5n,
    before + 5n,
  ]);
});

test('[A13] a replica knows when the next thing falls due', () => {
  const world = lived();
  expect(nextDueMs(world.state.indexes)).toBe(world.timeMs + HOUR);
  expect(nextDueMs(NO_INDEXES)).toBe(null);
});

test('[A17] a gateway finds its open holds page by page, and only those', () => {
  const world = new World();
  world.do(world.grant('ann', 10_000n));
  const ids = Array.from({ length: 25 }, (_, i) => world.holdId(`hold ${i}`));
  const other = { gateway: world.key('other gateway') };
  world.do(...ids.map((id, i) => world.hold(id, 'ann', i < 20 ? {} : other)));
  world.do(world.void(ids[3]!), world.capture(ids[4]!, 1n));
  const open = ids
    .slice(0, 20)
    .filter((_, i) => i !== 3 && i !== 4)
    .map(toHex)
    .sort();
  const { indexes } = world.state;
  const found: string[] = [];
  const pages: number[] = [];
  for (let after: Uint8Array | null = null; ;) {
    const page = openHoldIds(indexes, { gateway: world.key('gateway'), after }, 7);
    if (page.length === 0) break;
    pages.push(page.length);
    found.push(...page.map(toHex));
    after = page.at(-1) ?? null;
  }
  expect(found).toEqual(open);
  expect(pages).toEqual([7, 7, 4]);
  expect(openHoldIds(indexes, { gateway: world.key('ann'), after: null }, 7)).toEqual([]);
});
