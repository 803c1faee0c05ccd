import { performance } from 'node:perf_hooks';
import { afterAll, describe, expect, it } from 'vitest';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { knownAnswer } from '#lib/webgpu/known-answer.ts';
import { openPackageFolder } from '#lib/shard/package/server.ts';
import { createKnownAnswerChecker } from '#server/orchestrator/known-answer-checker.ts';

const FOLDER = new URL('../../../public/models/smollm2-135m-instruct', import.meta.url).pathname;
const question = { numerics: 'int16', seed: 11, rows: 8 } as const;

describe('recomputing known answers', () => {
  const checker = createKnownAnswerChecker(FOLDER);
  afterAll(() => checker.close());

  it('[M7] gives the answer that a sound node gives for its range', async () => {
    const range = { first: 26, last: 29 };
    const { manifest, weights } = await openPackageFolder(FOLDER);
    const stage = await cpuStageFactory(await loadKernels())({
      shape: manifest.shape,
      range,
      numerics: 'int16',
      kvBytesMax: 2 ** 24,
      weights,
    });
    const answer = await knownAnswer(stage, question.seed, question.rows);
    stage.dispose();
    expect(await checker.expect({ ...question, range })).toEqual(answer);
  });

  it('[M7] never keeps the event loop waiting', async () => {
    const before = performance.eventLoopUtilization();
    const answers = await Promise.all([
      checker.expect({ ...question, range: { first: 0, last: 29 } }),
      checker.expect({ ...question, range: { first: 0, last: 12 } }),
    ]);
    expect(new Set(answers.map(({ digest }) => digest)).size).toBe(2);
    // It idles while the thread works; recomputing here would keep it busy to the last moment.
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5);
  });

  it('[M7] a package that is not there is a coded fault, and the next question is answered', async () => {
    const broken = createKnownAnswerChecker('/nowhere/at/all');
    const range = { first: 0, last: 0 };
    await expect(broken.expect({ ...question, range })).rejects.toMatchObject({
      code: 'package/not-found',
    });
    broken.close();
    await expect(broken.expect({ ...question, range })).rejects.toMatchObject({
      code: 'kernel/aborted',
    });
    expect(await checker.expect({ ...question, range })).toMatchObject({
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
  });
});
