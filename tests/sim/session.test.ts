import { describe, expect, test } from 'vitest';
import { runCampaign } from '#sim/campaign.ts';
import { runSession } from '#sim/session/run.ts';

const SEEDS = 300;

describe('session campaign', () => {
  test(`[S1] ${SEEDS} seeds: every session ends with the right tokens or a coded error`, () => {
    const { failures, counts } = runCampaign(1, SEEDS);
    expect(failures.map(({ seed, failure }) => `--seed=${seed} ${failure?.message ?? ''}`)).toEqual(
      [],
    );
    // A campaign in which nothing happened has shown nothing.
    const mustHappen = [
      'answer finished',
      'answer cancelled',
      'crash',
      'crash-back',
      'crash-two',
      'freeze',
      'hang',
      'slow',
      'leave',
      'join',
      'socket back',
      'link-close',
      'link-flap',
      'one-way',
      'owner-dies',
      'shard-gone',
      'frame lost',
      'frame doubled',
      'frame overtaken',
      'message lost: socket',
      'fault no-room',
      'route by relay',
    ];
    expect(mustHappen.filter((what) => !counts.has(what))).toEqual([]);
  });

  test('[S8] a seed replays bit for bit, traced or not', () => {
    const [once, again] = [runSession(17), runSession(17, { keepLines: true })];
    expect(again.hash).toBe(once.hash);
    expect(again.counts).toEqual(once.counts);
    expect(runSession(18).hash).not.toBe(once.hash);
  });
});
