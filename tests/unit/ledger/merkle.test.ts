import { expect, test } from 'vitest';
import { toHex, utf8 } from '#lib/kernel/bytes.ts';
import {
  leafHash,
  merklePaths,
  merkleRoot,
  merkleRootKept,
  verifyInclusion,
} from '#lib/ledger/crypto/merkle.ts';
import {
  appendLeaf,
  EMPTY_RANGE,
  rangePath,
  rangeRoot,
  type MountainRange,
  type RangeNode,
} from '#lib/ledger/crypto/mountain-range.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { portableSha256 } from '#lib/ledger/crypto/sha256.ts';

const items = Array.from({ length: 33 }, (_, i) => utf8(`item ${i}`));

test('[C3] node:crypto and the portable SHA-256 give the same bytes', () => {
  for (const length of [0, 1, 55, 56, 64, 65, 513, 5000]) {
    const bytes = new Uint8Array(length).fill(length);
    expect(toHex(portableSha256(bytes))).toBe(toHex(nodeSha256(bytes)));
  }
});

test('[C4] roots are those of Certificate Transparency', () => {
  // The test vectors of RFC 6962's reference implementation: eight leaves, and their prefixes.
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'].map((hex) =>
    Buffer.from(hex, 'hex'),
  );
  const roots = [0, 1, 2, 3, 7].map((n) => toHex(merkleRoot(leaves.slice(0, n), nodeSha256)));
  expect(roots).toEqual([
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  ]);
});

test('[C4] a tree that is kept has the same root, and its paths cost no hash', () => {
  for (const size of [0, 1, 2, 5, 33]) {
    const list = items.slice(0, size);
    expect(merkleRootKept(list, nodeSha256)).toEqual(merkleRoot(list, nodeSha256));
    let hashes = 0;
    const paths = merklePaths(list, (bytes) => {
      hashes += 1;
      return nodeSha256(bytes);
    });
    expect(hashes).toBe(0);
    expect(paths).toEqual(merklePaths([...list], nodeSha256));
  }
});

test('[C4] every path of every size leads to the root, and to no other place', () => {
  for (let size = 1; size <= items.length; size += 1) {
    const list = items.slice(0, size);
    const root = merkleRoot(list, nodeSha256);
    for (let index = 0; index < size; index += 1) {
      const path = merklePaths(list, nodeSha256)[index]!;
      const leaf = leafHash(list[index]!, nodeSha256);
      const claim = { leaf, index, size, path, root };
      expect(verifyInclusion(claim, nodeSha256)).toBe(true);
      for (const wrong of [
        { index: index + 1 },
        { index: index - 1 },
        { index: index + 0.5 },
        { index: Number.NaN },
        { path: [...path, root] },
        { leaf: root },
        { leaf: leafHash(utf8('other'), nodeSha256) },
        ...(path.length === 0 ? [] : [{ path: path.slice(1) }, { path: path.slice(0, -1) }]),
      ]) {
        expect(verifyInclusion({ ...claim, ...wrong }, nodeSha256), JSON.stringify(wrong)).toBe(
          size === 1 && 'leaf' in wrong && wrong.leaf === root,
        );
      }
    }
  }
});

test('[C4] an inner node does not pass as a leaf', () => {
  const inner = Buffer.concat([leafHash(items[0]!, nodeSha256), leafHash(items[1]!, nodeSha256)]);
  expect(toHex(leafHash(inner, nodeSha256))).not.toBe(
    toHex(merkleRoot(items.slice(0, 2), nodeSha256)),
  );
});

test('[C5] a range has the root of the list, and paths that its kept nodes give', () => {
  const kept = new Map<string, Uint8Array>();
  const name = ({ level, index }: Omit<RangeNode, 'hash'>) => `${level}/${index}`;
  let range: MountainRange = EMPTY_RANGE;
  expect(toHex(rangeRoot(range, nodeSha256))).toBe(toHex(merkleRoot([], nodeSha256)));
  for (const item of items) {
    const step = appendLeaf(range, leafHash(item, nodeSha256), nodeSha256);
    range = step.range;
    for (const node of step.made) kept.set(name(node), node.hash);
    const { size } = range;
    const root = rangeRoot(range, nodeSha256);
    expect(toHex(root)).toBe(toHex(merkleRoot(items.slice(0, size), nodeSha256)));
    const nodeAt = (level: number, index: number) => kept.get(name({ level, index }))!;
    for (let index = 0; index < size; index += 1) {
      const path = rangePath({ index, size }, nodeAt, nodeSha256);
      expect(path.map(toHex)).toEqual(
        merklePaths(items.slice(0, size), nodeSha256)[index]!.map(toHex),
      );
    }
  }
  expect(range.peaks.length).toBe(2);
});
