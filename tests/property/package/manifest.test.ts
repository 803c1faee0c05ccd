import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { checkManifest, parseManifest } from '#lib/shard/package/check-manifest.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { parseGgufHeader } from '#lib/shard/package/import/gguf-header.ts';
import { manifestHash, type Manifest } from '#lib/shard/package/manifest.ts';
import { ggufBytes, tinyFields, tinyTensors } from '#tests/unit/package/gguf-builder.ts';
import { goldenPath } from '#tests/support/golden.ts';

let root = '';
let manifest: Manifest;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-manifest-'));
  const path = goldenPath('gguf/tiny-q8_0.gguf');
  ({ manifest } = await importModel({ path, root, id: 'tiny' as ModelId }));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Every leaf of a JSON value by its path. */
function leaves(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, member]) => leaves(member, [...path, key]));
}

function withLeaf(value: unknown, [key, ...rest]: readonly string[], leaf: unknown): unknown {
  if (key === undefined) return leaf;
  const copy = (
    Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }
  ) as Record<string, unknown>;
  copy[key] = withLeaf(copy[key], rest, leaf);
  return copy;
}

const faultOf = (json: unknown): unknown => {
  try {
    checkManifest(json);
    return null;
  } catch (error) {
    return error;
  }
};

/** Members that only people read: any text within bounds is as good. */
const FREE = /^(name|licence|id|chatTemplate|source\.sha256|source\.kind)$/;
/** Numbers of the arithmetic: another one makes another model, not a broken one. */
const MODEL =
  /^shape\.(contextMax|rmsEps|ropeTheta|ropeScaling)$|^tokenizer\.(addBos|bosId|eosIds)/;

describe('manifest check', () => {
  it('[K3] takes what the importer made, as text too', () => {
    expect(checkManifest(manifest)).toEqual(manifest);
    const parsed = parseManifest(JSON.stringify(manifest));
    expect(manifestHash(parsed)).toBe(manifestHash(manifest));
  });

  it('[K3] notices any changed number, name, type or offset', () => {
    const structural = leaves(manifest).filter((path) => {
      const name = path.join('.');
      return !FREE.test(name) && !MODEL.test(name) && !name.endsWith('.sha256');
    });
    const other = fc.oneof(
      fc.integer({ min: -1, max: 2 ** 53 - 1 }),
      fc.constantFrom(0, 1, 2 ** 60, 'F16', 'Q4_1', 'attn-k', 'head', null, true, [], {}, NaN),
    );
    fc.assert(
      fc.property(fc.constantFrom(...structural), other, (path, value) => {
        const changed = withLeaf(manifest, path, value);
        fc.pre(JSON.stringify(changed) !== JSON.stringify(manifest));
        expect(faultOf(changed), path.join('.')).toBeInstanceOf(FaultError);
      }),
      { numRuns: 2000 },
    );
  });

  it('[K3] notices any member that is missing or too many', () => {
    const owners = [
      [],
      ['shape'],
      ['source'],
      ['tokenizer'],
      ['parts', '1'],
      ['parts', '1', 'tensors', '2'],
    ];
    for (const path of owners) {
      expect(faultOf(withLeaf(manifest, [...path, 'extra'], 1))).toBeInstanceOf(FaultError);
    }
    for (const path of leaves(manifest)) {
      expect(faultOf(withLeaf(manifest, path, undefined)), path.join('.')).toBeInstanceOf(
        FaultError,
      );
    }
  });

  it('[K3] answers any JSON with a fault, never with another error', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(faultOf(json)).toBeInstanceOf(FaultError);
      }),
    );
  });

  it('[K3] names another format version as unsupported', () => {
    expect(isFault(faultOf({ ...manifest, format: 'declai/model/2' }), 'package/unsupported')).toBe(
      true,
    );
  });
});

describe('GGUF header', () => {
  it('[K3] answers any spoiled header with a fault or a header, never with another error', () => {
    const honest = ggufBytes({ fields: tinyFields(), tensors: tinyTensors() });
    const spoil = fc.array(fc.tuple(fc.nat(honest.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(spoil, fc.nat(honest.length), (changes, length) => {
        const bytes = honest.slice(0, Math.max(length, honest.length - length));
        for (const [at, value] of changes) bytes[at] = value;
        try {
          parseGgufHeader(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FaultError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
