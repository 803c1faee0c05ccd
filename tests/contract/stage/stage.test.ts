import { beforeAll, describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import type { Numerics } from '#lib/webgpu/model.ts';
import { choose } from '#lib/webgpu/choose.ts';
import { GREEDY, NO_HISTORY, type SamplingParams } from '#lib/webgpu/sampling/params.ts';
import { argmax, sample } from '#lib/webgpu/sampling/sample.ts';
import type { Stage, StageFactory } from '#lib/webgpu/stage.ts';
import { syntheticWeights } from '#lib/webgpu/synthetic-weights.ts';
import {
  everyRow,
  firstDifference,
  loadRing,
  loadStage,
  runRing,
  segmentFor,
  type Model,
} from '#tests/support/stages.ts';
import { IMPLEMENTATIONS, type StageImplementation } from './implementations.ts';
import { tinyShape } from '#tests/support/tiny-shape.ts';

const SHAPE = tinyShape({ layers: 4, heads: 6, vocab: 203, contextMax: 256 });
const MODEL: Model = {
  shape: SHAPE,
  weights: syntheticWeights(SHAPE, (name) => (name.startsWith('attn') ? 'Q4_1' : 'Q8_0')),
};

const idsOf = (count: number, seed = 1): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => (i * 37 + seed * 11 + 5) % SHAPE.vocab);

const DRAWS: [string, Partial<SamplingParams>][] = [
  ['temperature alone', {}],
  ['top-k', { topK: 20 }],
  ['top-p and min-p', { topP: 0.9, minP: 0.01 }],
  ['typical', { typicalP: 0.5 }],
  ['penalties', { penalties: { repetition: 1, presence: 0, frequency: 0, bias: [[3, 5]] } }],
];

/** Everything a caller may rely on; an implementation only has to be listed. */
function stageContract(implementation: StageImplementation): void {
  describe.each(implementation.numerics)(`${implementation.name}, %s`, (numerics) => {
    let factory: StageFactory;
    let stage: Stage;
    beforeAll(async () => {
      factory = await implementation.factory();
      stage = await loadStage(factory, MODEL, { numerics });
    });
    const run = (kv: number, ids: Int32Array) => runRing([stage], [kv], ids);
    const same = (actual: Float32Array, expected: Float32Array) =>
      expectEqual(implementation, actual, expected);

    it.each([1, 2, 3, 5, 7, 64])(
      '[W1] chunks of %i rows give what one chunk gives',
      async (chunk) => {
        const ids = idsOf(150);
        const whole = await run(stage.openKv(), ids);
        const kv = stage.openKv();
        for (let at = 0; at < ids.length; at += chunk) {
          const part = await run(kv, ids.subarray(at, at + chunk));
          same(part, whole.subarray(at * SHAPE.vocab, at * SHAPE.vocab + part.length));
        }
      },
    );

    it('[W1] sessions in one ragged batch get what they get alone', async () => {
      const lengths = [1, 3, 40, 2, 90, 1, 17, 5];
      const alone: Float32Array[] = [];
      for (const [i, length] of lengths.entries()) {
        alone.push(await run(stage.openKv(), idsOf(length, i)));
      }
      const segments = lengths.map((length, i) =>
        segmentFor(stage, stage.openKv(), { input: idsOf(length, i), want: everyRow(stage) }),
      );
      const results = await stage.step(segments);
      results.forEach((result, i) => same(must(result.logits, 'logits'), must(alone[i], 'alone')));
    });

    it('[W1] in a company that changes at every step each gets what it gets alone', async () => {
      const starts = [5, 1, 70, 33, 2, 64];
      const whole: Float32Array[] = [];
      for (const [i, start] of starts.entries()) {
        whole.push(await run(stage.openKv(), idsOf(start + 8, i)));
      }
      const kvs = starts.map(() => stage.openKv());
      const step = async (rows: ReadonlyMap<number, number>): Promise<void> => {
        const given = [...rows].map(([i, count]) => {
          const at = stage.kvLength(kvs[i] ?? 0);
          return { i, at, input: idsOf((starts[i] ?? 0) + 8, i).subarray(at, at + count) };
        });
        const results = await stage.step(
          given.map(({ i, input }) =>
            segmentFor(stage, kvs[i] ?? 0, { input, want: everyRow(stage) }),
          ),
        );
        for (const [j, { i, at, input }] of given.entries()) {
          const right = must(whole[i], 'alone').subarray(at * SHAPE.vocab);
          const expected = right.subarray(0, input.length * SHAPE.vocab);
          same(must(results[j]?.logits, 'logits'), expected);
        }
      };
      const ones = (...slots: number[]) => new Map(slots.map((i) => [i, 1]));
      await step(new Map(starts.slice(0, 5).map((start, i) => [i, start])));
      // All; three of five; one; some while another's prompt comes in chunks; all six; one goes back.
      for (const company of [ones(0, 1, 2, 3, 4), ones(0, 2, 4), ones(1)]) await step(company);
      await step(new Map([...ones(0, 1, 3), [5, 60]]));
      await step(new Map([...ones(1, 2), [5, 4], [4, 3]]));
      await step(ones(5, 4, 3, 2, 1, 0));
      stage.truncateKv(kvs[2] ?? 0, 64);
      await step(new Map([...ones(0, 3, 4), [2, 6]]));
      stage.closeKv(kvs[0] ?? 0);
      await step(ones(1, 2, 3, 4, 5));
    });

    it('[S3] truncated and done again, a session gives the same', async () => {
      const kv = stage.openKv();
      const first = await run(kv, idsOf(100));
      await run(kv, idsOf(20, 9));
      stage.truncateKv(kv, 33);
      expect(stage.kvLength(kv)).toBe(33);
      const again = await run(kv, idsOf(100).subarray(33));
      same(again, first.subarray(33 * SHAPE.vocab));
    });

    it.each([[[0, 1]], [[0, 2]], [[0, 3]], [[0, 1, 2, 3]]])(
      '[W2] cut into stages that begin at %j, the model gives what it gives whole',
      async (firsts) => {
        const ring = await loadRing(factory, MODEL, { numerics, firsts });
        const kvs = ring.map((part) => part.openKv());
        const kv = stage.openKv();
        for (const ids of [idsOf(70), idsOf(1, 3), idsOf(1, 4)]) {
          same(await runRing(ring, kvs, ids), await run(kv, ids));
        }
      },
    );

    it('[S8] a sampled id is that of the last row’s logits', async () => {
      const logits = await run(stage.openKv(), idsOf(50));
      const want = { kind: 'sample', params: GREEDY, index: 0, history: NO_HISTORY } as const;
      const segment = segmentFor(stage, stage.openKv(), { input: idsOf(50), want });
      const [result] = await stage.step([segment]);
      expect(result).toEqual({
        hidden: null,
        logits: null,
        sampledId: argmax(logits.subarray(-SHAPE.vocab)),
      });
    });

    it.each(DRAWS)('[S8] %s: the id that all logits of the row give', async (_, change) => {
      const kv = stage.openKv();
      await run(kv, idsOf(49));
      for (let index = 0; index < 4; index += 1) {
        // Of one row each: a GPU's bits are those of its shader, which goes by the rows.
        const logits = await run(kv, idsOf(50).subarray(49));
        stage.truncateKv(kv, 49);
        const params = { ...GREEDY, temperature: 1, seed: 7, ...change };
        const want = { kind: 'sample', params, index, history: NO_HISTORY } as const;
        const segment = segmentFor(stage, kv, { input: idsOf(50).subarray(49), want });
        const [result] = await stage.step([segment]);
        expect(result?.sampledId).toBe(choose(logits, want).sampledId);
        stage.truncateKv(kv, 49);
      }
    });

    it('[S8] log probabilities come with a sampled id where they are asked for', async () => {
      const logits = await run(stage.openKv(), idsOf(50));
      const params = { ...GREEDY, logprobs: 1 };
      const want = { kind: 'sample', params, index: 0, history: NO_HISTORY } as const;
      const segment = segmentFor(stage, stage.openKv(), { input: idsOf(50), want });
      const [result] = await stage.step([segment]);
      const { logprob, top } = must(result?.logprobs, 'log probabilities');
      expect(top).toEqual([[result?.sampledId, logprob]]);
      const row = logits.subarray(-SHAPE.vocab);
      const best = row.reduce((most, logit) => Math.max(most, logit), -Infinity);
      const total = row.reduce((sum, logit) => sum + Math.exp(logit - best), 0);
      expect(Math.abs(logprob + Math.log(total))).toBeLessThanOrEqual(1e-4);
    });

    it('[S8] each row of a step is sampled at its own point, as alone', async () => {
      const rows = 18;
      const before = stage.openKv();
      await run(before, idsOf(50));
      const logits = await run(before, idsOf(rows, 4));
      // Greedy: of the ids of the other half at every second row, of those not said at every third.
      const params = {
        ...GREEDY,
        penalties: { repetition: 1, presence: 100, frequency: 0, bias: [] },
      };
      const points = Array.from({ length: rows }, (_, row) => {
        const best = argmax(logits.subarray(row * SHAPE.vocab, (row + 1) * SHAPE.vocab));
        const history = { promptIds: [], answerIds: row % 3 === 0 ? [best] : [] };
        const allowed = new Uint32Array(7).fill(best % 2 === 0 ? 0xaaaaaaaa : 0x55555555);
        return { index: row, history, ...(row % 2 === 0 && { allowed }) };
      });
      const alone = points.map((point, row) => {
        const own = logits.slice(row * SHAPE.vocab, (row + 1) * SHAPE.vocab);
        return { id: sample(own, params, point) };
      });
      expect(new Set(alone.map(({ id }) => id)).size > 3).toBe(true);
      const kv = stage.openKv();
      await run(kv, idsOf(50));
      const other = segmentFor(stage, stage.openKv(), { input: idsOf(9), want: everyRow(stage) });
      const want = { kind: 'sample-rows', params, points } as const;
      const steps = [other, segmentFor(stage, kv, { input: idsOf(rows, 4), want })];
      const [, result] = await stage.step(steps);
      expect([result?.sampledId, result?.sampled]).toEqual([null, alone]);
    });

    memoryContract({ ...implementation, factory: () => factory }, numerics);
  });
}

function memoryContract(
  implementation: Pick<StageImplementation, 'class'> & { factory: () => StageFactory },
  numerics: Numerics,
): void {
  const { factory } = implementation;
  it('[W3] short of pages, a step changes nothing and goes through once pages are back', async () => {
    const probe = await loadStage(factory(), MODEL, { numerics, kvBytesMax: 2 ** 24 });
    const pageBytes = Math.floor(2 ** 24 / probe.pagesMax);
    const stage = await loadStage(factory(), MODEL, { numerics, kvBytesMax: 3 * pageBytes });
    expect(stage.pagesMax).toBe(3);
    const [a, b] = [stage.openKv(), stage.openKv()];
    await runRing([stage], [a], idsOf(2 * stage.pagePositions));
    const segments = [a, b].map((kv) =>
      segmentFor(stage, kv, { input: idsOf(2), want: { kind: 'none' } }),
    );
    await expect(stage.step(segments)).rejects.toMatchObject({ code: 'engine/no-pages' });
    expect([stage.pagesFree(), stage.kvLength(a), stage.kvLength(b)]).toEqual([
      1,
      2 * stage.pagePositions,
      0,
    ]);
    stage.truncateKv(a, stage.pagePositions);
    expect(stage.pagesFree()).toBe(2);
    const after = await runRing([stage], [b], idsOf(2 * stage.pagePositions));
    const alone = await runRing([probe], [probe.openKv()], idsOf(2 * stage.pagePositions));
    expectEqual(implementation, after, alone);
    stage.closeKv(b);
    expect(stage.pagesFree()).toBe(2);
  });

  it('[W8] sessions that share pages get what each gets alone, also when they part', async () => {
    const stage = await loadStage(factory(), MODEL, { numerics });
    const cache = stage.prefixCache;
    if (!cache) return;
    const page = stage.pagePositions;
    const keys = ['one', 'two', 'three'];
    const begin = (): number => {
      const kv = stage.openKv();
      cache.share(kv, keys);
      return kv;
    };
    const probe = await loadStage(factory(), MODEL, { numerics });
    const alone = (ids: Int32Array) => runRing([probe], [probe.openKv()], ids);
    const tail = (logits: Float32Array, from: number) => logits.subarray(from * SHAPE.vocab);
    const prompt = idsOf(3 * page);
    const first = begin();
    expect(stage.kvLength(first)).toBe(0);
    await runRing([stage], [first], prompt);
    cache.keep(first, 0, keys);
    // In a batch, both go on with what the first one computed.
    const second = begin();
    expect(stage.kvLength(second)).toBe(3 * page);
    const free = stage.pagesFree();
    const inputs = [idsOf(9, 2), idsOf(5, 3)];
    const results = await stage.step(
      [first, second].map((kv, i) =>
        segmentFor(stage, kv, { input: must(inputs[i], 'ids'), want: everyRow(stage) }),
      ),
    );
    expect(free - stage.pagesFree()).toBe(2);
    for (const [i, input] of inputs.entries()) {
      const expected = await alone(Int32Array.of(...prompt, ...input));
      expectEqual(implementation, must(results[i]?.logits, 'logits'), tail(expected, 3 * page));
    }
    // One goes back into a shared page and on from there with other ids: the other is as it was.
    stage.truncateKv(second, page + 7);
    const other = idsOf(page, 8);
    const parted = await alone(Int32Array.of(...prompt.subarray(0, page + 7), ...other));
    expectEqual(implementation, await runRing([stage], [second], other), tail(parted, page + 7));
    const more = idsOf(3, 6);
    const undisturbed = await alone(Int32Array.of(...prompt, ...idsOf(9, 2), ...more));
    expectEqual(
      implementation,
      await runRing([stage], [first], more),
      tail(undisturbed, 3 * page + 9),
    );
    stage.closeKv(first);
    stage.closeKv(second);
    expect(stage.pagesFree()).toBe(stage.pagesMax);
    // They outlive their sessions, and give way to who needs room.
    const third = begin();
    expect(stage.kvLength(third)).toBe(3 * page);
    expectEqual(
      implementation,
      await runRing([stage], [third], inputs[0] ?? prompt),
      must(results[0]?.logits, 'logits'),
    );
  });

  it('[W3] [W8] kept pages that nobody uses are free', async () => {
    const stage = await loadStage(factory(), MODEL, { numerics, kvBytesMax: 2 ** 17 });
    const cache = stage.prefixCache;
    if (!cache) return;
    const positions = stage.pagesMax * stage.pagePositions;
    const keys = Array.from({ length: stage.pagesMax }, (_, i) => `page ${i}`);
    const fill = async (): Promise<number> => {
      const kv = stage.openKv();
      await runRing([stage], [kv], idsOf(positions));
      return kv;
    };
    const first = await fill();
    cache.keep(first, 0, keys);
    const bytes = stage.memoryBytes();
    stage.closeKv(first);
    expect(stage.pagesFree()).toBe(stage.pagesMax);
    const second = await fill();
    expect([stage.pagesFree(), stage.memoryBytes()]).toEqual([0, bytes]);
    stage.closeKv(second);
    expect(cache.share(stage.openKv(), keys)).toBe(0);
  });

  it('[W4] refuses ids outside the vocabulary and positions past the context, unchanged', async () => {
    const stage = await loadStage(factory(), MODEL, { numerics });
    const kv = stage.openKv();
    const step = (input: Int32Array) =>
      stage.step([segmentFor(stage, kv, { input, want: { kind: 'none' } })]);
    for (const id of [-1, SHAPE.vocab]) {
      await expect(step(Int32Array.of(id))).rejects.toMatchObject({ code: 'request/invalid' });
    }
    await expect(step(idsOf(SHAPE.contextMax + 1))).rejects.toMatchObject({
      code: 'session/context-length',
    });
    expect(stage.kvLength(kv)).toBe(0);
    await step(idsOf(SHAPE.contextMax));
    expect(stage.kvLength(kv)).toBe(SHAPE.contextMax);
  });

  it('[W5] a disposed stage is lost', async () => {
    const stage = await loadStage(factory(), MODEL, { numerics });
    stage.dispose();
    const kv = stage.openKv();
    const segment = segmentFor(stage, kv, { input: idsOf(1), want: { kind: 'none' } });
    await expect(stage.step([segment])).rejects.toMatchObject({ code: 'engine/lost' });
  });
}

function expectEqual(
  implementation: Pick<StageImplementation, 'class'>,
  actual: Float32Array,
  expected: Float32Array,
): void {
  expect(actual.length).toBe(expected.length);
  if (implementation.class === 'bits') {
    expect(firstDifference(actual, expected)).toBe(-1);
    return;
  }
  const share = implementation.class === 'half' ? 1e-2 : 1e-4;
  const most = share * expected.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  actual.forEach((value, i) => {
    expect(Math.abs(value - (expected[i] ?? NaN))).toBeLessThanOrEqual(most);
  });
}

for (const implementation of IMPLEMENTATIONS) stageContract(implementation);
