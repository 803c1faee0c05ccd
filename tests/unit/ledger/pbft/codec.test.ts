import { expect, test } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { decodeMessage, encodeMessage } from '#lib/ledger/pbft/messages/message.ts';
import { faultyOf, quorumOf } from '#lib/ledger/pbft/quorum.ts';
import { decodeRecord, encodeRecord } from '#lib/ledger/pbft/records.ts';
import { electorateOf, voteHolds } from '#lib/ledger/pbft/signatures.ts';
import { Alone } from '#tests/support/replica-alone.ts';
import { specimens } from '#tests/support/replica-specimens.ts';

test('[R1] two quorums share a correct replica, and the correct ones are a quorum, for any n', () => {
  for (let n = 4; n <= 64; n += 1) {
    const [f, q] = [faultyOf(n), quorumOf(n)];
    expect(2 * q - n).toBeGreaterThanOrEqual(f + 1);
    expect(q).toBeLessThanOrEqual(n - f);
    // No smaller set will do.
    expect(2 * (q - 1) - n).toBeLessThan(f + 1);
  }
  expect([4, 5, 6, 7, 8, 9, 10].map(quorumOf)).toEqual([3, 4, 4, 5, 6, 6, 7]);
});

test('[R2] every message comes back from its bytes, and no changed byte decodes to the same', () => {
  const all = specimens();
  expect(new Set(all.map(({ type }) => type)).size).toBe(15);
  for (const message of all) {
    const bytes = encodeMessage(message);
    expect(decodeMessage(bytes)).toEqual(message);
    for (let i = 0; i < bytes.length; i += 1 + Math.floor(bytes.length / 150)) {
      const changed = Uint8Array.from(bytes);
      changed[i] = (changed[i] ?? 0) ^ 0x41;
      const read = decodeMessage(changed);
      if (!isFault(read)) expect(bytesEqual(encodeMessage(read), changed)).toBe(true);
    }
    for (const cut of [0, 1, bytes.length >> 1, bytes.length - 1]) {
      expect(isFault(decodeMessage(bytes.subarray(0, cut)))).toBe(true);
    }
    expect(isFault(decodeMessage(Uint8Array.of(...bytes, 0)))).toBe(true);
  }
});

test('[R2] a number of 2⁵³, a flag of 2 and signers out of order do not decode', () => {
  const status = {
    type: 'status',
    epoch: 1,
    view: 2,
    isChanging: true,
    executed: 3,
    stable: 4,
  } as const;
  const bytes = encodeMessage(status);
  const large = Uint8Array.from(bytes);
  large[2] = 0x20;
  expect(isFault(decodeMessage(large))).toBe(true);
  const flag = Uint8Array.from(bytes);
  flag[17] = 2;
  expect(isFault(decodeMessage(flag))).toBe(true);
  const change = specimens().find(({ type }) => type === 'view-change');
  if (change?.type !== 'view-change') throw new Error('a view change was sent');
  const { seals } = change.checkpoint;
  expect(seals.length).toBeGreaterThanOrEqual(3);
  const turned = { ...change, checkpoint: { ...change.checkpoint, seals: [...seals].reverse() } };
  expect(isFault(decodeMessage(encodeMessage(turned)))).toBe(true);
  const twice = { ...change, checkpoint: { ...change.checkpoint, seals: [seals[0]!, ...seals] } };
  expect(isFault(decodeMessage(encodeMessage(twice)))).toBe(true);
});

test('[R2] no bytes make the decoders or a replica throw', () => {
  const random = seededRandom(7);
  const alone = new Alone();
  for (let i = 0; i < 5_000; i += 1) {
    const bytes = Uint8Array.from({ length: random.below(200) }, () => random.below(256));
    if (bytes.length > 0) bytes[0] = 1 + random.below(13);
    decodeRecord(bytes);
    alone.inject(1, `r${random.below(4)}`, bytes);
  }
  expect(alone.view(1).executed).toBe(0);
});

test('[R3] a vote of one type is none of another, nor of another chain', () => {
  const alone = new Alone();
  const batch = alone.batch('a');
  const of = electorateOf(alone.node(1).state);
  const prepare = alone.vote(2, 'prepare', { sequence: 1, digest: batch.digest });
  expect(voteHolds(of, prepare)).toBe(true);
  expect(voteHolds(of, { ...prepare, type: 'commit' })).toBe(false);
  expect(voteHolds(of, { ...prepare, type: 'pre-prepare' })).toBe(false);
  const other = { ...of, env: { ...of.env, chain: new Uint8Array(32) } };
  expect(voteHolds(other, prepare)).toBe(false);
});

test('[R2] what leads to a checkpoint comes back from its record, and no shorter one is read', () => {
  const hash = new Uint8Array(32).fill(7);
  const place = { epoch: 1, sequence: 16 };
  for (const record of [
    { type: 'checkpoint', ...place, headerHash: hash, digests: [hash, hash] },
    { type: 'batch', ...place, batch: new Uint8Array(100) },
  ] as const) {
    const bytes = encodeRecord(record);
    expect(decodeRecord(bytes)).toEqual(record);
    for (let length = 0; length < bytes.length; length += 1)
      expect(isFault(decodeRecord(bytes.subarray(0, length)))).toBe(true);
  }
});
