import { beforeAll, describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { GREEDY, NO_HISTORY, historyFor } from '#lib/webgpu/sampling/params.ts';
import type { SamplePoint } from '#lib/webgpu/sampling/sample.ts';
import type { SegmentResult, Stage, Want } from '#lib/webgpu/stage.ts';
import { segmentFor } from '#tests/support/engine.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { sampledPrompt, sampledRows, type SampledRow } from '#tests/support/sampled.ts';
import { drawSlowly, ranked } from '#tests/support/sampling-oracle.ts';
import { loadSmolLm2 } from './smollm2.ts';

const rows = sampledRows();
const count = must(rows[0], 'a row').ids.length;
/** The oracle sorts the whole vocabulary for every token. */
const SLOW_COUNT = 6;
type Asked = Pick<SampledRow, 'params'>;

describe('[S8] SmolLM2-135M-Instruct, sampled on one stage', { timeout: 60_000 }, () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await loadSmolLm2('int16');
  });

  it('the kept ids are those that the definition draws', async () => {
    const kept = rows.map((row) => row.ids.slice(0, SLOW_COUNT));
    expect(await answersOf(stage, { asked: rows, count: SLOW_COUNT }, slow)).toEqual(kept);
  });

  it.each(rows)('alone: $name', async (row) => {
    expect(await answersOf(stage, { asked: [row], count }, sampled)).toEqual([row.ids]);
  });

  it('all in one batch', async () => {
    expect(await answersOf(stage, { asked: rows, count }, sampled)).toEqual(rows.map((row) => row.ids));
  });

  it('temperature 0 and top-k 1 are greedy, whatever else is said but penalties', () => {
    const greedy = rows.filter(
      ({ params: { temperature, topK, penalties } }) =>
        (temperature === 0 || topK === 1) && penalties === null,
    );
    expect(greedy.length).toBeGreaterThan(0);
    const { greedyIds } = goldenRow('story');
    for (const { ids } of greedy) expect(ids).toEqual(greedyIds.slice(0, ids.length));
  });

  it("tells the model's own log probabilities, whatever is punished", async () => {
    const input = Int32Array.from(sampledPrompt());
    const logits = await lastResult(stage, { input, want: { kind: 'logits' } });
    const row = must(logits.logits, 'logits').slice(-stage.shape.vocab);
    const [best, second] = ranked(row);
    const bias = [[must(best, 'an id'), -100] as const];
    const penalties = { repetition: 1, presence: 0, frequency: 0, bias };
    const params = { ...GREEDY, logprobs: 2, penalties };
    const want = { kind: 'sample', params, index: 0, history: NO_HISTORY } as const;
    const { sampledId, logprobs } = await lastResult(stage, { input, want });
    const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
    const shareOf = (id: number): number => Math.exp(must(row[id], 'a logit')) / total;
    expect(sampledId).toBe(second);
    expect(logprobs?.top.map(([id]) => id)).toEqual([best, second]);
    for (const [id, logprob] of logprobs?.top ?? []) {
      expect(logprob).toBeCloseTo(Math.log(shareOf(id)), 6);
    }
    expect(logprobs?.logprob).toBe(logprobs?.top[1]?.[1]);
  });

  it('seeds differ, answers differ', async () => {
    const params = must(rows[0], 'a row').params;
    const seeds = Array.from({ length: 8 }, (_, i) => ({ params: { ...params, seed: 1_000 + i } }));
    const answers = await answersOf(stage, { asked: seeds, count: 8 }, sampled);
    expect(new Set(answers.map(String)).size).toBe(seeds.length);
  });
});

/** What a prompt's last row gives, on a KV of its own. */
async function lastResult(
  stage: Stage,
  { input, want }: { readonly input: Int32Array; readonly want: Want },
): Promise<SegmentResult> {
  const kv = stage.openKv();
  const [result] = await stage.step([segmentFor(stage, kv, { input, want })]);
  stage.closeKv(kv);
  return must(result, 'a result a segment');
}

/** A token of a step's result: the stage's own, or the oracle's from the stage's logits. */
interface Draw {
  want(row: Asked, point: SamplePoint): Want;
  take(result: SegmentResult | undefined, row: Asked, point: SamplePoint): number;
}

const sampled: Draw = {
  want: ({ params }, point) => ({ kind: 'sample', params, ...point }),
  take: (result) => must(result?.sampledId, 'a sampled id'),
};
const slow: Draw = {
  want: () => ({ kind: 'logits' }),
  take: (result, { params }, point) =>
    drawSlowly(must(result?.logits, 'logits'), params, point),
};

/** Ids of each row, all of them side by side in every step. */
async function answersOf(
  stage: Stage,
  { asked, count }: { asked: readonly Asked[]; count: number },
  draw: Draw,
): Promise<number[][]> {
  const prompt = Int32Array.from(sampledPrompt());
  const open = asked.map((row) => ({ row, kv: stage.openKv(), ids: [] as number[] }));
  const segments = open.map(({ kv }) =>
    segmentFor(stage, kv, { input: prompt.slice(0, -1), want: { kind: 'none' } }),
  );
  await stage.step(segments);
  for (let index = 0; index < count; index += 1) {
    const points = open.map(({ row, ids }): SamplePoint => ({
      index,
      history: historyFor({ sampling: row.params, grammar: null }, sampledPrompt(), ids),
    }));
    const results = await stage.step(
      open.map(({ row, kv, ids }, i) => {
        const input = Int32Array.of(ids.at(-1) ?? must(prompt.at(-1), 'a prompt'));
        const want = draw.want(row, must(points[i], 'a point a row'));
        return segmentFor(stage, kv, { input, want });
      }),
    );
    open.forEach(({ row, ids }, i) =>
      ids.push(draw.take(results[i], row, must(points[i], 'a point a row'))),
    );
  }
  for (const { kv } of open) stage.closeKv(kv);
  return open.map(({ ids }) => ids);
}
