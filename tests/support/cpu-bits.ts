import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '#lib/kernel/bytes.ts';
import { must } from '#lib/kernel/assert.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import { VARIANT_IDS as ids, WIDE_VARIANTS } from '#tests/contract/stage/variants.ts';
import { everyRow, loadRing, runRing, segmentFor } from './stages.ts';

/** One row, few, and enough for every thread to have several tiles of rows. */
const CHUNKS = [1, 3, 30, 5];

/**
 * SHA-256 of everything that both halves of each variant give, hidden states and logits, of one
 * session in chunks and of three in one batch; by variant and numerics. Runs in Node and in a tab.
 */
export async function bitsOf(factory: StageFactory): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const variant of WIDE_VARIANTS) {
    for (const numerics of variant.numerics) {
      const ring = await loadRing(factory, variant, { numerics, firsts: [0, 1] });
      digests[`${variant.name}, ${numerics}`] = await digestOf(ring);
      for (const stage of ring) stage.dispose();
    }
  }
  return digests;
}

type Ring = Awaited<ReturnType<typeof loadRing>>;

async function digestOf(ring: Ring): Promise<string> {
  const hash = sha256.create();
  const add = (values: Float32Array): void => {
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  };
  const [first, second] = [must(ring[0], 'a half'), must(ring[1], 'another')];
  const kvs = ring.map((stage) => stage.openKv());
  let at = 0;
  for (const chunk of CHUNKS) {
    const part = ids.subarray(at, at + chunk);
    add(await runRing(ring, kvs, part));
    at += chunk;
  }
  const lengths = [3, 1, 39];
  const hidden = await first.step(
    lengths.map((length) =>
      segmentFor(first, first.openKv(), { input: ids.subarray(0, length), want: everyRow(first) }),
    ),
  );
  const segments = hidden.map((result) => {
    const input = must(result.hidden, 'hidden states');
    add(input);
    return segmentFor(second, second.openKv(), { input, want: everyRow(second) });
  });
  for (const { logits } of await second.step(segments)) add(must(logits, 'logits'));
  return toHex(hash.digest());
}
