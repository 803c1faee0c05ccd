import { describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import {
  cpuFactory,
  everyRow,
  firstDifference,
  loadRing,
  loadStage,
  runRing,
  segmentFor,
} from '#tests/support/engine.ts';
import { VARIANTS, VARIANT_IDS as ids } from './variants.ts';

/** Each a size that kernels treat apart: one row, two, three, few, many. */
const CHUNKS = [1, 2, 3, 4, 5, 14, 10];

describe.each(VARIANTS)('cpu, $name', (variant) => {
  const { vocab } = variant.shape;

  it.each(variant.numerics)('[W1] [W2] in chunks, batches and cuts, %s', async (numerics) => {
    const factory = await cpuFactory();
    const whole = await loadStage(factory, variant, { numerics });
    const expected = await runRing([whole], [whole.openKv()], ids);
    const halves = await loadRing(factory, variant, { numerics, firsts: [0, 1] });
    for (const ring of [[whole], halves]) {
      const kvs = ring.map((stage) => stage.openKv());
      let at = 0;
      for (const chunk of CHUNKS) {
        const part = await runRing(ring, kvs, ids.subarray(at, at + chunk));
        const same = expected.subarray(at * vocab, (at + chunk) * vocab);
        expect(firstDifference(part, same)).toBe(-1);
        at += chunk;
      }
      expect(at).toBe(ids.length);
    }
    const segments = [ids.subarray(0, 3), ids, ids.subarray(0, 2)].map((input) =>
      segmentFor(whole, whole.openKv(), { input, want: everyRow(whole) }),
    );
    for (const result of await whole.step(segments)) {
      const logits = must(result.logits, 'logits');
      expect(firstDifference(logits, expected.subarray(0, logits.length))).toBe(-1);
    }
  });
});
