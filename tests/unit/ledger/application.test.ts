import { expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { BATCH_BYTES_MAX, VALIDITY_MS_MAX } from '#lib/ledger/account/limits.ts';
import { membersHash, readMembership } from '#lib/ledger/account/epochs.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { snapshot } from '#lib/ledger/account/snapshot.ts';
import type { LedgerState } from '#lib/ledger/account/state.ts';
import { nextDueMs } from '#lib/ledger/account/indexes.ts';
import { ledgerApplication, ledgerState } from '#lib/ledger/application/application.ts';
import { DOOR_MARGIN_MS, judgeAtDoor } from '#lib/ledger/application/door.ts';
import { PART_BYTES, StateParts, unpackParts } from '#lib/ledger/application/parts.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { EMPTY_TRIE } from '#lib/ledger/crypto/trie/node.ts';
import { trieUpdate } from '#lib/ledger/crypto/trie/update.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import type { AppState, Application, Execution, StatePart } from '#lib/ledger/pbft/types.ts';
import { partBytes, readParts } from '#lib/ledger/pbft/state-parts.ts';
import { DAY, World, type Ask } from '#tests/support/ledger/world.ts';
import { Traffic } from '#tests/support/ledger/traffic.ts';

const NOTHING_VERIFIED: Verify = () => true;

const applicationOf = (world: World, verify: Verify = NOTHING_VERIFIED): Application =>
  ledgerApplication({ chain: world.chain, verify, sha256: nodeSha256 });

/** The application's own blocks beside those of `execute` alone. */
class Ordered {
  readonly world: World;
  readonly application: Application;
  state: AppState;

  constructor(world: World) {
    this.world = world;
    this.application = applicationOf(world);
    this.state = world.state;
  }

  block(requests: readonly Uint8Array[]): Execution {
    const timeMs = Number(this.world.timeMs);
    const batch = this.application.checkBatch(this.application.writeBatch(timeMs, requests))!;
    const sequence = Number(this.world.sequence);
    const execution = this.application.execute(this.state, { sequence, timeMs, batch });
    this.state = execution.state;
    return execution;
  }
}

test('[P1] batches bring what execution alone brings: states, results, members, what is due', () => {
  const traffic = new Traffic(7);
  const { world } = traffic;
  const ordered = new Ordered(world);
  for (let i = 0; i < 60; i += 1) {
    traffic.pause();
    const requests = traffic.transactions(12);
    const alone = world.block(requests);
    const execution = ordered.block(requests);
    const { application, state } = ordered;
    expect(toHex(application.stateRoot(state))).toBe(toHex(alone.roots.stateRoot));
    expect(execution.resultsRoot).toEqual(alone.roots.resultsRoot);
    const { epoch, replicas } = world.constitution;
    const constitution = application.constitution(state);
    expect(constitution.epoch).toBe(Number(epoch));
    expect(nodeSha256(constitution.membership)).toEqual(alone.roots.nextMembersHash);
    expect(constitution.members.map(({ voteKey }) => voteKey)).toEqual(
      replicas.map(({ voteKey }) => voteKey),
    );
    expect(application.dueAt(state)).toBe(Number(nextDueMs(world.state.indexes)));
  }
});

test('[P1] a member list reads back as it was, and nothing else reads', () => {
  const world = new World();
  const application = applicationOf(world);
  const { membership, members, epoch } = application.constitution(world.state);
  expect(application.readMembership(membership)).toEqual({ epoch, members });
  expect(membersHash(readMembership(membership)!, nodeSha256)).toEqual(nodeSha256(membership));
  for (let end = 0; end < membership.length; end += 1) {
    const read = application.readMembership(membership.subarray(0, end));
    // Three replicas are none.
    expect(read).toBeNull();
  }
  expect(application.readMembership(new Uint8Array(65_536))).toBeNull();
});

test('[P1] a change of the ledger itself ends the epoch where execution says', () => {
  const world = new World();
  const ordered = new Ordered(world);
  const parameters = { ...world.genesis.parameters, batchMax: 7n, epoch: 0n };
  const body = { type: 'set-parameters', ...parameters } as const;
  const ask: Ask = {
    by: 'operator 0',
    body: world.change(body, ['operator 0', 'operator 1', 'operator 2']),
  };
  const request = world.sign(ask);
  expect(ordered.application.constitution(ordered.state).endsAfter).toBeNull();
  world.block([request]);
  ordered.block([request]);
  expect(ordered.application.constitution(ordered.state).endsAfter).toBe(8);
  while (world.sequence < 8n) {
    world.block([]);
    ordered.block([]);
  }
  expect(ordered.application.constitution(ordered.state)).toMatchObject({
    ...{ epoch: 1, endsAfter: null },
    parameters: { batchMax: 7, timeoutMs: 1_000, window: 4 },
  });
});

test('[P2] a batch has what fits and is valid at its time, and is valid itself', () => {
  const world = new World();
  const application = applicationOf(world);
  const timeMs = Number(world.timeMs);
  const late = world.sign({
    ...world.grant('late'),
    validUntilMs: world.timeMs + VALIDITY_MS_MAX + 1n,
  });
  const good = world.sign({ ...world.grant('good'), validUntilMs: world.timeMs + VALIDITY_MS_MAX });
  const batch = application.checkBatch(application.writeBatch(timeMs, [late, good]))!;
  expect(batch.requests).toEqual([good]);
  expect(batch.ids).toEqual([application.checkRequest(good)]);
  // No batch that another wrote may hold it.
  const spoiled = application.writeBatch(timeMs + 1, [late]);
  expect(application.checkBatch(spoiled)).not.toBeNull();

  const many = Array.from({ length: 1_100 }, (_, i) => world.sign(world.grant(`p${i}`)));
  const most = application.checkBatch(application.writeBatch(timeMs, many))!;
  expect(most.requests).toEqual(many.slice(0, 1_024));
  const shares = Array.from({ length: 60 }, (_, i) => ({ worker: world.key(`w${i}`), flops: 1n }));
  const mints = Array.from({ length: 600 }, (_, i) =>
    world.sign(world.mint(world.holdId(`h${i}`), { shares })),
  );
  const bytes = application.writeBatch(timeMs, mints);
  const full = application.checkBatch(bytes)!;
  expect(full.requests.length).toBeLessThan(600);
  expect(bytes.length).toBeGreaterThan(BATCH_BYTES_MAX - 4_096);
});

test('[P3] a signature is verified once, and another one over the same bytes anew', () => {
  const world = new World();
  let verified = 0;
  const isSigned: Verify = (_key, _message, signature) => {
    verified += 1;
    return signature[0] === 0;
  };
  const application = applicationOf(world, isSigned);
  const request = world.sign(world.grant('a'));
  const id = application.checkRequest(request);
  const bytes = application.writeBatch(Number(world.timeMs), [request]);
  expect(application.checkBatch(bytes)?.ids).toEqual([id]);
  expect(verified).toBe(1);
  const forged = Uint8Array.from(request);
  forged[forged.length - 64] = 1;
  expect(application.checkRequest(forged)).toBeNull();
  expect(application.checkRequest(forged)).toBeNull();
  expect(verified).toBe(3);
  const changed = Uint8Array.from(bytes);
  changed[changed.length - 64] = 1;
  expect(application.checkBatch(changed)).toBeNull();
});

const atDoor = (
  state: LedgerState,
  request: Uint8Array,
  rules: Parameters<typeof judgeAtDoor>[2],
) => judgeAtDoor(state, readTransaction(request, nodeSha256), rules);

function doorOf(world: World, ask: Ask, door: { wallMs?: bigint; isRelayed?: boolean } = {}) {
  const { wallMs = world.timeMs, isRelayed = false } = door;
  const rules = { wallMs: Number(wallMs), isRelayed, chain: world.chain, sha256: nodeSha256 };
  const request = world.sign(ask);
  const verdict = atDoor(world.state, request, rules);
  const admits = applicationOf(world).admits(world.state, request, rules);
  expect(admits).toBe(verdict.type === 'admitted');
  return verdict.type === 'refused' ? verdict.code : verdict.type;
}

test('[P4] the door knows keys by what they ask: accounts’, gateways’, operators’', () => {
  const world = new World();
  const holdId = world.holdId('job');
  expect(doorOf(world, world.hold(holdId, 'a'))).toBe('ledger/unknown-account');
  expect(doorOf(world, world.grant('a'))).toBe('admitted');
  expect(doorOf(world, { ...world.grant('a'), by: 'stranger' })).toBe('ledger/not-authorised');
  world.do(world.grant('a'));
  expect(doorOf(world, world.hold(holdId, 'a'))).toBe('admitted');
  expect(doorOf(world, { ...world.hold(holdId, 'a'), by: 'b' })).toBe('ledger/not-authorised');
  expect(doorOf(world, world.capture(holdId, 1n, 'stranger'))).toBe('ledger/not-authorised');
  expect(doorOf(world, world.capture(holdId, 1n))).toBe('admitted');
  const change = world.change<never>(
    { type: 'remove-replica', operatorKey: world.key('operator 3') } as never,
    ['operator 0'],
  );
  expect(doorOf(world, { by: 'operator 0', body: change })).toBe('admitted');
  expect(doorOf(world, { by: 'a', body: change })).toBe('ledger/not-authorised');
});

test('[P4] what a port was told is admitted by the core without looking again, in this state alone', () => {
  const world = new World();
  let hashed = 0;
  const application = ledgerApplication({
    ...{ chain: world.chain, verify: NOTHING_VERIFIED },
    sha256: (bytes) => {
      hashed += 1;
      return nodeSha256(bytes);
    },
  });
  const ask = { ...world.grant('a'), nonce: 500n };
  const request = world.sign(ask);
  const before = world.state;
  const door = { wallMs: Number(world.timeMs), isRelayed: false };
  expect(application.judge(before, application.read(request), door).type).toBe('admitted');
  const looked = hashed;
  expect(application.admits(before, request, { ...door, wallMs: door.wallMs + 1 })).toBe(true);
  expect(hashed).toBe(looked);
  // An earlier clock lets less in, and who passes on has another door.
  expect(application.admits(before, request, { ...door, wallMs: 0 })).toBe(false);
  expect(application.admits(before, request, { ...door, isRelayed: true })).toBe(true);
  expect(hashed).toBeGreaterThan(looked);
  expect(application.admits(before, request, door)).toBe(true);
  world.do(ask);
  expect(application.admits(world.state, request, door)).toBe(false);
  expect(application.judge(world.state, application.read(request), door).type).toBe('executed');
});

test('[P4] used nonces and wrong times stay outside', () => {
  const world = new World();
  world.do({ ...world.grant('a'), nonce: 500n });
  const again = { ...world.grant('b'), nonce: 500n };
  expect(doorOf(world, again)).toBe('ledger/id-conflict');
  const late = world.timeMs + VALIDITY_MS_MAX;
  const grant = world.grant('b');
  expect(doorOf(world, { ...grant, validUntilMs: late - DOOR_MARGIN_MS })).toBe('admitted');
  const close = { ...grant, validUntilMs: late };
  expect(doorOf(world, close)).toBe('ledger/over-limit');
  expect(doorOf(world, close, { isRelayed: true })).toBe('admitted');
  expect(doorOf(world, close, { isRelayed: true, wallMs: world.timeMs - 1n })).toBe(
    'ledger/over-limit',
  );
  expect(doorOf(world, { ...grant, validUntilMs: world.timeMs - 1n })).toBe('ledger/expired');
});

test('[P4] what was executed is told with its first result; any bytes have a verdict', () => {
  const world = new World();
  const request = world.sign(world.grant('a'));
  world.block([request]);
  const rules = {
    ...{ wallMs: Number(world.timeMs), isRelayed: false },
    ...{ chain: world.chain, sha256: nodeSha256 },
  };
  expect(atDoor(world.state, request, rules)).toEqual({
    type: 'executed',
    first: { sequence: 1n, code: 'ok' },
  });
  for (let end = 0; end < request.length; end += 1) {
    const verdict = atDoor(world.state, request.subarray(0, end), rules);
    expect(verdict).toEqual({ type: 'refused', code: 'wire/malformed' });
  }
  const other = { ...rules, chain: new Uint8Array(32) };
  expect(atDoor(world.state, request, other)).toMatchObject({ type: 'refused' });
});

test('[P4] 10⁵ fresh keys are turned away, no signature of theirs is verified, nothing is kept', () => {
  const world = new World();
  let verified = 0;
  const application = applicationOf(world, () => {
    verified += 1;
    return true;
  });
  world.do(world.grant('ann'));
  const bytes = world.sign({ ...world.hold(world.holdId('job'), 'ann'), by: 'stranger' });
  const at = Buffer.from(bytes).indexOf(world.key('stranger'));
  expect(at).toBeGreaterThan(0);
  const { size } = world.state.trie;
  const door = { wallMs: Number(world.timeMs), isRelayed: false };
  const fresh = Uint8Array.from(bytes);
  const view = new DataView(fresh.buffer, at);
  for (let i = 0; i < 100_000; i += 1) {
    view.setUint32(0, i);
    if (application.admits(world.state, fresh, door)) throw new Error(`key ${i} is let in`);
  }
  expect(verified).toBe(0);
  expect(world.state.trie.size).toBe(size);
});

test('[P5] a snapshot comes back from its parts, and from no others', () => {
  const world = new World();
  const application = applicationOf(world);
  for (let i = 0; i < 30; i += 1) {
    world.do(...Array.from({ length: 64 }, (_, j) => world.grant(`p${i}/${j}`)));
    if (i % 2 === 1) world.wait(DAY);
  }
  const { state } = world;
  const root = application.stateRoot(state);
  const parts = partBytes(application.parts(state));
  expect(parts.length).toBeGreaterThan(1);
  for (const part of parts) expect(part.length).toBeLessThan(PART_BYTES + 4_096 + 4 * 4_096);
  // One account more is in one part.
  world.do(world.grant('one more'));
  const now = new Set(partBytes(application.parts(world.state)).map((part) => toHex(part)));
  expect(parts.filter((part) => now.has(toHex(part))).length).toBeGreaterThan(parts.length / 2);
  const restored = (bytes: readonly Uint8Array[]): AppState | null => {
    const read = readParts(application, bytes);
    return read && application.restore(read, root);
  };
  const back = restored(parts)!;
  expect(application.stateRoot(back)).toEqual(root);
  expect(ledgerState(back).indexes).toEqual(ledgerState(state).indexes);
  const [first] = parts as [Uint8Array];
  const changed = Uint8Array.from(first);
  changed[40]! ^= 1;
  for (const wrong of [[], parts.slice(1), [...parts, first], [first.subarray(1)], [changed]])
    expect(restored(wrong)).toBeNull();
});

test('[P5] what a state shares with the one before is neither packed nor hashed again', () => {
  const world = new World();
  world.do(...Array.from({ length: 64 }, (_, j) => world.grant(`p${j}`)));
  let hashed = 0;
  const sha256 = (bytes: Uint8Array): Uint8Array => {
    hashed += 1;
    return nodeSha256(bytes);
  };
  const cut = new StateParts(sha256, { records: 8, bytes: 400 });
  const before = [...cut.of(world.state.trie)];
  expect(hashed).toBe(before.length);
  for (const { hash, bytes } of before) expect(nodeSha256(bytes())).toEqual(hash);
  world.do(world.grant('one more'));
  const after = [...cut.of(world.state.trie)];
  expect(after.length).toBeGreaterThanOrEqual(before.length);
  const alone = after.filter(({ hash }) => !before.some((each) => bytesEqual(each.hash, hash)));
  expect(alone.length).toBeGreaterThan(0);
  expect(hashed - before.length).toBeLessThan(after.length / 2);
  const values = [...unpackParts(partBytes(after))];
  expect(values).toEqual([...snapshot(world.state)]);
});

test('[P5] of 20 000 records the 400 that change are in an eighth of the bytes', () => {
  const records = Array.from({ length: 20_000 }, (_, i) => {
    const key = nodeSha256(new TextEncoder().encode(`record ${i}`));
    return { key, value: new Uint8Array(150).fill(i) };
  });
  const changes = records.slice(0, 400).map(({ key }) => ({ key, value: new Uint8Array(150) }));
  const trie = trieUpdate(EMPTY_TRIE, records, nodeSha256);
  const cut = new StateParts(nodeSha256);
  const known = new Set(Array.from(cut.of(trie), ({ hash }) => toHex(hash)));
  const after = [...cut.of(trieUpdate(trie, changes, nodeSha256))];
  const written = after.filter(({ hash }) => !known.has(toHex(hash)));
  const bytesOf = (parts: readonly StatePart[]): number =>
    partBytes(parts).reduce((sum, part) => sum + part.length, 0);
  expect(bytesOf(written)).toBeLessThan(bytesOf(after) / 8);
  expect(after.length).toBeLessThanOrEqual(LIMITS.snapshotPartsMax / 2);
});
