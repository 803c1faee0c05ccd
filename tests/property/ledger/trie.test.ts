import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concatBytes, toHex } from '#lib/kernel/bytes.ts';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { TrieBuilder } from '#lib/ledger/crypto/trie/build.ts';
import { EMPTY_TRIE, type Trie } from '#lib/ledger/crypto/trie/node.ts';
import { trieProve, verifyTrieProof } from '#lib/ledger/crypto/trie/proof.ts';
import { trieEntries, trieGet } from '#lib/ledger/crypto/trie/read.ts';
import { trieUnion } from '#lib/ledger/crypto/trie/union.ts';
import { trieUpdate, type TrieChange } from '#lib/ledger/crypto/trie/update.ts';
import { naiveTrieRoot } from '#tests/support/naive-trie.ts';

/** Keys that share long prefixes as well as such that share none: hashes are kinder than these. */
function keyOf(random: Random): Uint8Array {
  const key = new Uint8Array(32);
  const shared = random.pick([0, 0, 1, 5, 31]);
  for (let i = shared; i < 32; i += 1) key[i] = random.below(random.pick([3, 256]));
  return key;
}

function changesOf(random: Random, model: Map<string, Uint8Array>, count: number): TrieChange[] {
  const changes = new Map<string, TrieChange>();
  for (let i = 0; i < count; i += 1) {
    const known = [...model.keys()];
    const key =
      known.length > 0 && random.chance(0.5)
        ? Uint8Array.from(Buffer.from(random.pick(known), 'hex'))
        : keyOf(random);
    const value = random.chance(0.4) ? null : Uint8Array.of(random.below(256), random.below(256));
    changes.set(toHex(key), { key, value });
  }
  return [...changes.values()];
}

function applyTo(model: Map<string, Uint8Array>, changes: readonly TrieChange[]): void {
  for (const { key, value } of changes) {
    if (value === null) model.delete(toHex(key));
    else model.set(toHex(key), value);
  }
}

const fromModel = (model: Map<string, Uint8Array>): Trie =>
  trieUpdate(
    EMPTY_TRIE,
    [...model].map(([hex, value]) => ({ key: Uint8Array.from(Buffer.from(hex, 'hex')), value })),
    nodeSha256,
  );

test('[C6] a trie is what a map is, under the root that the definition gives, whatever its past', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const random = seededRandom(seed);
      const model = new Map<string, Uint8Array>();
      let trie = EMPTY_TRIE;
      const snapshots: { trie: Trie; entries: [string, Uint8Array][] }[] = [];
      for (let block = 0; block < 6; block += 1) {
        const changes = changesOf(random, model, random.below(20));
        trie = trieUpdate(trie, changes, nodeSha256);
        applyTo(model, changes);
        snapshots.push({ trie, entries: [...model].sort(([a], [b]) => (a < b ? -1 : 1)) });
      }
      for (const snapshot of snapshots) {
        const entries = [...trieEntries(snapshot.trie)];
        expect(entries.map(({ key, value }) => [toHex(key), value])).toEqual(snapshot.entries);
        expect(snapshot.trie.size).toBe(snapshot.entries.length);
      }
      expect(toHex(trie.rootHash)).toBe(toHex(naiveTrieRoot(model)));
      expect(fromModel(model)).toEqual(trie);
    }),
    { numRuns: 80 },
  );
});

test('[C6] entries by ascending key give that trie in one pass; any other order is refused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const random = seededRandom(seed);
      const model = new Map<string, Uint8Array>();
      for (let i = random.below(40); i > 0; i -= 1) {
        // Longer than any buffer that a node is made in, now and then.
        const length = random.pick([0, 1, 200, 20_000]);
        model.set(toHex(keyOf(random)), new Uint8Array(length).fill(i));
      }
      const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
      const builder = new TrieBuilder(nodeSha256);
      const keys = sorted.map(([hex]) => Uint8Array.from(Buffer.from(hex, 'hex')));
      keys.forEach((key, i) => {
        expect(builder.add(key, sorted[i]![1])).toBe(true);
        expect(builder.add(keys[random.below(i + 1)]!, Uint8Array.of(9))).toBe(false);
      });
      const trie = builder.trie();
      expect(toHex(trie.rootHash)).toBe(toHex(naiveTrieRoot(model)));
      expect(trie.size).toBe(model.size);
      for (const [hex, value] of sorted) {
        const found = trieGet(trie, Uint8Array.from(Buffer.from(hex, 'hex')));
        expect(found !== null && bytesEqual(found, value)).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

test('[C6] tries with no key in common are one trie together, whatever each has; a key twice is refused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const random = seededRandom(seed);
      const model = new Map<string, Uint8Array>();
      const parts = Array.from(
        { length: 1 + random.below(6) },
        () => new Map<string, Uint8Array>(),
      );
      for (let i = random.below(40); i > 0; i -= 1)
        model.set(toHex(keyOf(random)), Uint8Array.of(i));
      // In parts as a snapshot is cut, or each key anywhere.
      const isCut = random.chance(0.5);
      for (const [i, [key, value]] of [...model].sort(([a], [b]) => (a < b ? -1 : 1)).entries()) {
        const at = isCut ? Math.floor((i * parts.length) / model.size) : random.below(parts.length);
        parts[at]!.set(key, value);
      }
      const tries = parts.map(fromModel);
      expect(trieUnion(tries, nodeSha256)).toEqual(fromModel(model));
      const [again] = model;
      if (again === undefined) return;
      const twice = fromModel(new Map([[again[0], Uint8Array.of(99)]]));
      expect(trieUnion([...tries, twice], nodeSha256)).toBeNull();
    }),
    { numRuns: 50 },
  );
});

test('[C6] what one trie has alone is taken as it is', () => {
  const keys = Array.from({ length: 512 }, (_, i) => nodeSha256(Uint8Array.of(i, i >> 8)));
  const of = (first: number): Trie =>
    trieUpdate(
      EMPTY_TRIE,
      keys.filter(([byte = 0]) => byte >> 4 === first).map((key) => ({ key, value: key })),
      nodeSha256,
    );
  const tries = Array.from({ length: 16 }, (_, first) => of(first));
  let hashed = 0;
  const counting = (bytes: Uint8Array): Uint8Array => {
    hashed += 1;
    return nodeSha256(bytes);
  };
  const whole = trieUnion(tries, counting);
  expect(whole?.size).toBe(keys.length);
  expect(hashed).toBe(1);
});

test('[C7] every key is proven there with its value or proven absent, and nothing else is', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const random = seededRandom(seed);
      const model = new Map<string, Uint8Array>();
      applyTo(model, changesOf(random, model, random.below(24)));
      const trie = fromModel(model);
      const { rootHash } = trie;
      const keys = [...model.keys()].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));
      for (const key of [...keys, keyOf(random), keyOf(random), keyOf(random)]) {
        const value = trieGet(trie, key);
        const proof = trieProve(trie, key, nodeSha256);
        const verify = (claim: object) =>
          verifyTrieProof({ rootHash, key, value, proof, ...claim }, nodeSha256);
        expect(verify({})).toBe(true);
        expect(verify({ value: value === null ? Uint8Array.of(1) : null })).toBe(false);
        expect(verify({ value: Uint8Array.of(1, 2, 3) })).toBe(false);
        expect(verify({ rootHash: new Uint8Array(32).fill(1) })).toBe(false);
        expect(verify({ rootHash: new Uint8Array(31) })).toBe(false);
        expect(verify({ proof: proof.subarray(0, -1) })).toBe(false);
        expect(verify({ proof: Buffer.concat([proof, Uint8Array.of(0)]) })).toBe(false);
        const flipped = proof.slice();
        const at = random.below(flipped.length);
        flipped[at] = flipped[at]! ^ (1 << random.below(8));
        expect(verify({ proof: flipped })).toBe(false);
        const other = keyOf(random);
        if (toHex(other) !== toHex(key) && value !== null) {
          expect(verify({ key: other })).toBe(false);
        }
      }
    }),
    { numRuns: 80 },
  );
});

test('[C7] no bytes make the verifier throw', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 40 }),
      (proof, key) => {
        const claim = { rootHash: new Uint8Array(32).fill(9), key, value: null, proof };
        expect(verifyTrieProof(claim, nodeSha256)).toBe(false);
      },
    ),
  );
});

test('[C7] a leaf from elsewhere in the trie does not prove a key absent', () => {
  const keys = [0x11, 0x12, 0x21].map((first) => new Uint8Array(32).fill(first));
  const trie = trieUpdate(
    EMPTY_TRIE,
    keys.map((key) => ({ key, value: key })),
    nodeSha256,
  );
  const proof = trieProve(trie, new Uint8Array(32).fill(0x22), nodeSha256);
  const claim = { rootHash: trie.rootHash, value: null, proof };
  expect(verifyTrieProof({ ...claim, key: new Uint8Array(32).fill(0x22) }, nodeSha256)).toBe(true);
  expect(verifyTrieProof({ ...claim, key: keys[2]! }, nodeSha256)).toBe(false);
  expect(verifyTrieProof({ ...claim, key: keys[0]! }, nodeSha256)).toBe(false);
});

test('[C7] a key’s own leaf does not pass as another’s, to prove it absent', () => {
  const keys = [0x11, 0x12, 0x21].map((first) => new Uint8Array(32).fill(first));
  const entries = keys.map((key) => ({ key, value: key }));
  const { rootHash, ...trie } = trieUpdate(EMPTY_TRIE, entries, nodeSha256);
  const key = keys[0]!;
  const proof = trieProve({ rootHash, ...trie }, key, nodeSha256);
  const forged = concatBytes([proof.subarray(0, -1), Uint8Array.of(2), key, nodeSha256(key)]);
  expect(verifyTrieProof({ rootHash, key, value: key, proof }, nodeSha256)).toBe(true);
  expect(verifyTrieProof({ rootHash, key, value: null, proof: forged }, nodeSha256)).toBe(false);
});

test('[C6] an update shares every part that it does not touch', () => {
  const random = seededRandom(5);
  const all = Array.from({ length: 500 }, () => keyOf(random));
  const entries = all.map((key) => ({ key: nodeSha256(key), value: key }));
  const before = trieUpdate(EMPTY_TRIE, dedupe(entries), nodeSha256);
  const change = { key: entries[0]!.key, value: Uint8Array.of(1) };
  const after = trieUpdate(before, [change], nodeSha256);
  const [a, b] = [before.root, after.root];
  if (a === null || b === null || a instanceof Uint8Array || b instanceof Uint8Array) {
    throw new Error('500 entries are no leaf');
  }
  const shared = a.children.filter((child, i) => child === b.children[i]);
  expect(shared.length).toBe(a.children.length - 1);
  expect(trieUpdate(before, [], nodeSha256)).toBe(before);
});

const dedupe = (entries: { key: Uint8Array; value: Uint8Array }[]) => [
  ...new Map(entries.map((entry) => [toHex(entry.key), entry])).values(),
];
