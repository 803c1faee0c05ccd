import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runSession } from '#sim/session/run.ts';
import type { Scenario } from '#sim/session/scenario.ts';

const GOLDEN = new URL('./failover.txt', import.meta.url);

/** Three stages and a spare; the last stage leaves as it sends its third token. */
const SCENARIO: Scenario = {
  layers: 6,
  nodes: 4,
  stages: 3,
  sessions: [
    {
      atMs: 50,
      promptIds: [11, 12, 13, 14, 15],
      maxTokens: 6,
      eosIds: [],
      seed: 1,
      cancelAtMs: null,
      stops: [],
      prefix: null,
      follows: null,
    },
  ],
  chunkRows: 2,
  hopMs: 2,
  skew: 1,
  rowMs: 1,
  evenNodes: true,
  loadMs: 30,
  pagesMax: 1000,
  keptBytesMax: 1 << 20,
  frameTrouble: 0,
  salted: false,
  patienceMs: null,
  blameless: false,
  mayFail: false,
  drafting: 'measured',
  framesFirst: true,
  together: true,
  planner: 'wild',
  habit: null,
  disturbances: [],
  ambushes: [{ on: 'token', nth: 2, after: true, kind: 'leave', size: 0 }],
};

test('[S5] a failover, message by message', () => {
  const { failure, lines, counts } = runSession(9, { keepLines: true, scenario: SCENARIO });
  expect(failure).toBeNull();
  expect(counts.get('leave')).toBe(1);
  const text = `${(lines ?? []).join('\n')}\n`;
  if (process.env['DECLAI_REWRITE_TRANSCRIPTS']) writeFileSync(GOLDEN, text);
  expect(text).toBe(readFileSync(GOLDEN, 'utf8'));
});
