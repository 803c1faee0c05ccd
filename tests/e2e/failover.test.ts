import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goldenRow } from '#tests/support/golden.ts';
import {
  ThreeTabs,
  WAYS,
  missed,
  type FailoverCase,
  type FailoverResult,
} from '#tests/support/three-tabs.ts';

/** Nine cases at positions that a run number rotates, so that runs together see them all. */
const POSITIONS = [1, 7, 13, 19, 25, 31, 37, 43];

const runNumber = nextRunNumber();
const short = goldenRow('sky');
const long = goldenRow('long1000');
const prompts = {
  short: { ids: short.promptIds, expected: short.greedyIds.slice(0, 48) },
  long: { ids: long.promptIds, expected: long.greedyIds.slice(0, 16) },
};

const cases: FailoverCase[] = [0, 1, 2].flatMap((stage) =>
  WAYS.map((way, i) => ({
    stage: stage as 0 | 1 | 2,
    way,
    at: POSITIONS[(runNumber + 3 * stage + i) % POSITIONS.length] ?? 1,
  })),
);
const prefillCases: FailoverCase[] = [0, 1, 2].map((stage) => ({
  stage: stage as 0 | 1 | 2,
  way: 'kill',
  at: 'prefill',
}));

describe(`A3 failover over three tabs, run ${runNumber}`, () => {
  let cluster: ThreeTabs;
  const results: FailoverResult[] = [];
  beforeAll(async () => {
    cluster = await ThreeTabs.start();
  }, 120_000);
  afterAll(async () => {
    process.stderr.write(`${results.map(describeResult).join('\n')}\n`);
    await cluster.end();
  });

  test.each(cases)(
    'stage $stage, $way at token $at: not a token differs',
    async (failover) => {
      const result = await cluster.run(failover, prompts.short);
      results.push(result);
      expect(missed(result)).toEqual([]);
    },
    90_000,
  );

  test.each(prefillCases)(
    'stage $stage killed in the prefill of 1 066 tokens',
    async (failover) => {
      const result = await cluster.run(failover, prompts.long);
      results.push(result);
      expect(missed(result)).toEqual([]);
    },
    90_000,
  );
});

function describeResult(result: FailoverResult): string {
  return (
    `  stage ${result.stage} ${result.way} at ${result.at}: ` +
    `gap ${Math.round(result.gapMs)} ms, idle ${(100 * result.idleShare).toFixed(1)} %, ` +
    `back in ${Math.round(result.backMs)} ms, ${result.equal ? 'equal' : 'DIFFERENT'}`
  );
}

function nextRunNumber(): number {
  const path = 'build/failover-run';
  let last = 0;
  try {
    last = Number(readFileSync(path, 'utf8')) || 0;
  } catch {
    // The first run in this clone.
  }
  mkdirSync('build', { recursive: true });
  writeFileSync(path, String(last + 1));
  return Number(process.env['FAILOVER_RUN'] ?? last + 1);
}
