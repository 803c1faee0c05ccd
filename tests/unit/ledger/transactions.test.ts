import { encode } from 'cborg';
import { expect, test } from 'vitest';
import { concatBytes, toHex, utf8 } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import {
  batchDigest,
  checkBatch,
  NULL_BATCH,
  readBatch,
  writeBatch,
} from '#lib/ledger/account/codec/batch.ts';
import type { BodyOf } from '#lib/ledger/account/codec/bodies.ts';
import { decodeCbor, encodeCbor, type Cbor } from '#lib/ledger/account/codec/cbor.ts';
import {
  readTransaction,
  signedBytes,
  type Transaction,
} from '#lib/ledger/account/codec/transaction.ts';
import { BATCH_BYTES_MAX, MINT_BYTES_MAX } from '#lib/ledger/account/limits.ts';
import { leafHash, merklePaths, merkleRoot, verifyInclusion } from '#lib/ledger/crypto/merkle.ts';
import { nodeSha256, nodeVerifier } from '#lib/ledger/crypto/server.ts';
import { bytes32, read, signerOf, World } from '#tests/support/ledger/world.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const faultOf = (read: () => unknown): string => {
  try {
    read();
    return 'taken';
  } catch (error) {
    return isFault(error) ? error.code : String(error);
  }
};

test('[T1] a value has one encoding, and only integers, bytes and arrays are values', () => {
  const wrong = {
    'an integer in more bytes than it needs': '1805',
    'a length in more bytes than it needs': '580100',
    'an array’s count in more bytes': '980100',
    'an indefinite array': '9f01ff',
    'indefinite bytes': '5f4101ff',
    'an integer as a float': 'f93c00',
    'a negative integer': '20',
    'a text': '6161',
    'a map': 'a10102',
    'a map whose keys are not sorted': 'a202010102',
    'a tag': 'c101',
    false: 'f4',
    null: 'f6',
    undefined: 'f7',
    'a break': 'ff',
    'two values': '0101',
    nothing: '',
    'an array short of a value': '8201',
    'bytes short of a byte': '4201',
    'a head that ends': '19',
    'a reserved head': '1c',
  };
  for (const [what, bytes] of Object.entries(wrong)) {
    expect(
      faultOf(() => decodeCbor(hex(bytes))),
      what,
    ).toBe('wire/malformed');
  }
  const right: Cbor[] = [
    0,
    23,
    24,
    255,
    256,
    65536,
    2 ** 32,
    2n ** 53n,
    2n ** 64n - 1n,
    new Uint8Array(300),
    [],
    [[1], [2, [3]]],
  ];
  for (const value of right) {
    const bytes = encodeCbor(value);
    expect(encode(decodeCbor(bytes))).toEqual(bytes);
  }
});

test('[T2] depth and lengths are seen before anything is decoded', () => {
  expect(faultOf(() => decodeCbor(hex('8181818101')))).toBe('taken');
  expect(faultOf(() => decodeCbor(hex('818181818101')))).toBe('wire/malformed');
  const deep = new Uint8Array(60_000).fill(0x81);
  expect(faultOf(() => decodeCbor(deep))).toBe('wire/malformed');
  // 2⁶⁴ − 1 bytes, and as many values.
  expect(faultOf(() => decodeCbor(hex('5bffffffffffffffff')))).toBe('wire/malformed');
  expect(faultOf(() => decodeCbor(hex('9bffffffffffffffff')))).toBe('wire/malformed');
});

const world = new World({}, signerOf);
const burnOf = (amountMicro: bigint) =>
  ({ by: 'ann', body: { type: 'burn', account: world.id('ann'), amountMicro } }) as const;

/** A transaction of the right shape, its places changed. */
function withPlaces(change: (places: Cbor[]) => void): Transaction | string {
  const places = decodeCbor(world.sign(burnOf(5n))) as Cbor[];
  change(places);
  const transaction = readTransaction(encodeCbor(places), nodeSha256);
  return isFault(transaction) ? transaction.code : transaction;
}

test('[T2] every place is bounded', () => {
  const id = world.id('ann');
  const wrong: Record<string, (places: Cbor[]) => void> = {
    'another version': (places) => (places[0] = 2),
    'a chain of 31 bytes': (places) => (places[1] = new Uint8Array(31)),
    'a key of 33 bytes': (places) => (places[2] = new Uint8Array(33)),
    'a nonce of bytes': (places) => (places[3] = new Uint8Array(8)),
    'an instant beyond the end of time': (places) => (places[4] = 2n ** 48n + 1n),
    'no body': (places) => (places[5] = 6),
    'an empty body': (places) => (places[5] = []),
    'a type nobody knows': (places) => (places[5] = [99, id, 5]),
    'a place too few': (places) => (places[5] = [6, id]),
    'a place too many': (places) => (places[5] = [6, id, 5, 5]),
    'an amount of 0': (places) => (places[5] = [6, id, 0]),
    'an amount of 2⁶²': (places) => (places[5] = [6, id, 2n ** 62n]),
    'an amount in bytes': (places) => (places[5] = [6, id, new Uint8Array(1)]),
    'a scope of 0': (places) => (places[5] = [7, id, id, 0, 1, 1, 1]),
    'a scope of 8': (places) => (places[5] = [7, id, id, 8, 1, 1, 1]),
    'a signature of 63 bytes': (places) => (places[6] = new Uint8Array(63)),
    'eight places': (places) => places.push(1),
  };
  for (const [what, change] of Object.entries(wrong)) {
    expect(withPlaces(change), what).toBe('wire/malformed');
  }
  expect(withPlaces((places) => (places[5] = [6, id, 2n ** 62n - 1n]))).toMatchObject({
    body: { type: 'burn' },
  });
});

test('[T2] a transaction has 4 KiB at most, a MINT 64', () => {
  const shares = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ worker: bytes32(`worker ${i}`), flops: 1n }));
  const mint = world.sign(world.mint(world.holdId('job'), { shares: shares(64) }));
  expect(isFault(readTransaction(mint, nodeSha256))).toBe(false);
  expect(isFault(readTransaction(new Uint8Array(MINT_BYTES_MAX + 1), nodeSha256))).toBe(true);
  const address = new Uint8Array(64).fill(97);
  const body = {
    type: 'add-replica',
    operatorKey: bytes32('o'),
    voteKey: bytes32('v'),
    transportKey: bytes32('t'),
    address,
  } as const;
  const operators = (count: number) => Array.from({ length: count }, (_, i) => `operator ${i}`);
  const change = (count: number) =>
    world.sign({
      by: 'operator 0',
      body: world.change<BodyOf<'add-replica'>>(body, operators(count)),
    });
  expect(change(32).length).toBeLessThanOrEqual(4_096);
  expect(isFault(readTransaction(change(32), nodeSha256))).toBe(false);
});

test('[T3] every integer is a bigint, small and large', () => {
  for (const amountMicro of [1n, 23n, 24n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 62n - 1n]) {
    const { body, nonce, validUntilMs } = read(world.sign(burnOf(amountMicro)));
    expect(body).toMatchObject({ amountMicro });
    expect([typeof nonce, typeof validUntilMs]).toEqual(['bigint', 'bigint']);
  }
});

test('[T4] the id is of the unsigned bytes: another signature is the same transaction', () => {
  const bytes = world.sign(burnOf(5n));
  const other = bytes.slice();
  other[other.length - 1] = other[other.length - 1]! ^ 1;
  expect(toHex(read(other).id)).toBe(toHex(read(bytes).id));
  const places = decodeCbor(bytes) as Cbor[];
  expect(toHex(read(bytes).id)).toBe(toHex(nodeSha256(encodeCbor(places.slice(0, 6)))));
  const [domain, ...rest] = [utf8('declai/ledger/transaction/1\0'), encodeCbor(places.slice(0, 6))];
  expect(signedBytes(read(bytes))).toEqual(concatBytes([domain, ...rest]));
});

test('[T4] reading leaves the bytes as they were, Node’s Buffers too', () => {
  const bytes = Buffer.from(world.sign(burnOf(5n)));
  const before = bytes.toString('hex');
  const [first, second] = [read(bytes), read(bytes)];
  expect(bytes.toString('hex')).toBe(before);
  expect(toHex(second.id)).toBe(toHex(first.id));
  expect(second.publicKey.constructor).toBe(Uint8Array);
});

const rules = { chain: world.chain, verify: nodeVerifier(), sha256: nodeSha256 };
const check = (transactions: Uint8Array[], timeMs = world.timeMs) => {
  const checked = checkBatch(writeBatch({ timeMs, transactions }), rules);
  return isFault(checked) ? checked.message : checked.transactions.length;
};

test('[T5] a batch is valid by its bytes alone, and not at all with one wrong transaction', () => {
  const good = [1n, 2n, 3n].map((amount) => world.sign(burnOf(amount)));
  expect(check(good)).toBe(3);
  expect(check([])).toBe(0);
  const forged = good[1]!.slice();
  forged[40] = forged[40]! ^ 1;
  expect(check([good[0]!, forged, good[2]!])).toMatch(/signature|canonical|not/);
  const unsigned = good[1]!.slice();
  unsigned[unsigned.length - 1] = unsigned[unsigned.length - 1]! ^ 1;
  expect(check([good[0]!, unsigned])).toBe('a signature does not hold');
  expect(check([good[0]!, utf8('not a transaction')])).toMatch(/bytes|array/);
  const elsewhere = new World({ burnPpm: 1n }, signerOf).sign(burnOf(1n));
  expect(check([elsewhere])).toBe('a transaction of another chain');
  const validUntilMs = world.timeMs + 600_000n;
  expect(check([world.sign({ ...burnOf(1n), validUntilMs })])).toBe(1);
  expect(check([world.sign({ ...burnOf(1n), validUntilMs: validUntilMs + 1n })])).toBe(
    'valid for too long',
  );
});

test('[T5] approvals and the new vote key’s word are part of a change’s signatures', () => {
  const operatorKey = world.key('operator 1');
  const rotationWith = (possession: Uint8Array) =>
    world.change<BodyOf<'rotate-replica'>>({
      type: 'rotate-replica',
      operatorKey,
      voteKey: world.key('new vote'),
      transportKey: world.key('new transport'),
      possession,
    });
  const rotation = rotationWith(world.possession('new vote', operatorKey));
  const by = 'operator 1';
  expect(check([world.sign({ by, body: rotation })])).toBe(1);
  const others = rotationWith(world.possession('other vote', operatorKey));
  expect(check([world.sign({ by, body: others })])).toBe('a signature does not hold');
  const [first, ...rest] = rotation.approvals;
  const approvals = [{ ...first!, signature: rest[0]!.signature }, ...rest];
  expect(check([world.sign({ by, body: { ...rotation, approvals } })])).toBe(
    'a signature does not hold',
  );
  const swapped = [...rotation.approvals].reverse();
  expect(check([world.sign({ by, body: { ...rotation, approvals: swapped } })])).toBe(
    'not in order',
  );
});

test('[T5] sizes and counts of a batch are bounded, and any bytes are a fault, never a throw', () => {
  expect(check(Array<Uint8Array>(1_025).fill(Uint8Array.of(0)))).toMatch(/list/);
  expect(checkBatch(new Uint8Array(BATCH_BYTES_MAX + 1), rules)).toMatchObject({
    code: 'wire/too-large',
  });
  for (const bytes of ['', '80', '8300808080', '820180', '82f480', '8200a0', '82008101']) {
    const checked = checkBatch(hex(bytes), rules);
    expect(isFault(checked) || bytes === '820180', bytes).toBe(true);
  }
});

test('[T6] the digest binds time, order and count, and a path shows one transaction of a batch', () => {
  const transactions = [1n, 2n, 3n].map((amount) => world.sign(burnOf(amount)));
  const batch = { timeMs: world.timeMs, transactions };
  expect(readBatch(writeBatch(batch))).toEqual(batch);
  expect(readBatch(writeBatch(NULL_BATCH))).toEqual(NULL_BATCH);
  const digests = [
    batch,
    { ...batch, timeMs: world.timeMs + 1n },
    { ...batch, transactions: [...transactions].reverse() },
    { ...batch, transactions: transactions.slice(0, 2) },
    NULL_BATCH,
  ].map((each) => toHex(batchDigest(each, nodeSha256)));
  expect(new Set(digests).size).toBe(digests.length);
  const root = merkleRoot(transactions, nodeSha256);
  const path = merklePaths(transactions, nodeSha256)[1]!;
  const leaf = leafHash(transactions[1]!, nodeSha256);
  expect(verifyInclusion({ leaf, index: 1, size: 3, path, root }, nodeSha256)).toBe(true);
});
