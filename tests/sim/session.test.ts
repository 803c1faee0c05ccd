import { describe, expect, test } from 'vitest';
import { runCampaign } from '#sim/campaign.ts';
import { runSession } from '#sim/session/run.ts';

const SEEDS = 2000;
/** Some 20 s on a core of its own; a loaded machine may take its time. */
const PATIENCE_MS = 240_000;

describe('session campaign', () => {
  test(
    `[S1] ${SEEDS} seeds: every session ends with the right tokens or a coded error`,
    () => {
      const { failures, tooRare } = runCampaign(1, SEEDS);
      expect(
        failures.map(({ seed, failure }) => `--seed=${seed} ${failure?.message ?? ''}`),
      ).toEqual([]);
      // A campaign in which nothing happened has shown nothing.
      expect(tooRare).toEqual([]);
    },
    PATIENCE_MS,
  );

  test('[S8] a seed replays bit for bit, traced or not', () => {
    const [once, again] = [runSession(17), runSession(17, { keepLines: true })];
    expect(again.hash).toBe(once.hash);
    expect(again.counts).toEqual(once.counts);
    expect(runSession(18).hash).not.toBe(once.hash);
  });
});
