import { describe, expect, it } from 'vitest';
import { instantMs } from '#lib/kernel/units.ts';
import { forgetPace, learnPaces, middleOf, UNSEEN, type Pace } from '#lib/shard/placement/core.ts';
import { PACE } from '#lib/shard/placement/limits.ts';

const NOW = instantMs(100_000);
const at = (ms: number) => instantMs(NOW + ms);
/** A route whose steps were predicted at 40 ms, with 10 ms of hops. */
const round = (measuredMs: number, pacedStepsMs = 40) => ({
  ...{ measuredMs, stepsMs: 40, pacedStepsMs, hopsMs: 10 },
});
const slow = (factor: number, ago = 0): Pace => ({ factor, at: instantMs(NOW - ago) });

describe('what a round teaches', () => {
  it('[P3] under three times the prediction nobody is slow', () => {
    expect(learnPaces([UNSEEN], round(149), NOW)).toEqual([slow(1)]);
    expect(learnPaces([UNSEEN], round(150), NOW)).toEqual([slow(3.5)]);
  });

  it('[P3] what no reader would notice is no slowness, however many times it is', () => {
    const tiny = { stepsMs: 1, pacedStepsMs: 1, hopsMs: 0 };
    expect(learnPaces([UNSEEN], { ...tiny, measuredMs: 20 }, NOW)).toEqual([slow(1)]);
    expect(learnPaces([UNSEEN], { ...tiny, measuredMs: 21 }, NOW)).toEqual([slow(21)]);
  });

  it('[P3] all holders are held to it, for nobody knows which one it was', () => {
    expect(learnPaces([UNSEEN, UNSEEN], round(210), NOW)).toEqual([slow(5), slow(5)]);
  });

  it('[P3] but one whose other route went well just now', () => {
    const well = slow(1, PACE.recentMs - 1);
    expect(learnPaces([well, UNSEEN], round(210), NOW)).toEqual([well, slow(5)]);
    const longAgo = slow(1, PACE.recentMs);
    expect(learnPaces([longAgo], round(210), NOW)).toEqual([slow(5)]);
  });

  it('[P3] and whom a node known to be slow excuses', () => {
    // Of the 40 ms 20 are the first one's, and it is known to take five times as long.
    expect(learnPaces([slow(5, 20_000), UNSEEN], round(210, 120), NOW)).toEqual([slow(5), UNSEEN]);
    // Ten times that much it does not explain.
    expect(learnPaces([slow(5, 20_000), UNSEEN], round(2_010, 120), NOW)).toEqual([
      slow(50),
      slow(50),
    ]);
  });

  it('[P3] one good route clears at once; the least that was seen counts', () => {
    expect(learnPaces([slow(40, 1)], round(60), NOW)).toEqual([slow(1)]);
    expect(learnPaces([slow(40, 1)], round(210, 1_600), NOW)).toEqual([slow(5)]);
    expect(learnPaces([slow(5, 1)], round(410, 200), NOW)).toEqual([slow(5, 1)]);
  });

  it('[P3] is forgotten after five minutes, and then tried again', () => {
    const pace = slow(9);
    expect(forgetPace(pace, at(PACE.forgetMs - 1))).toBe(pace);
    expect(forgetPace(pace, at(PACE.forgetMs))).toBe(UNSEEN);
    const well = slow(1);
    expect(forgetPace(well, at(PACE.forgetMs))).toBe(well);
  });

  it('[P3] a late token among good ones says nothing', () => {
    expect(middleOf([10, 11, 9_000, 9, 10, 12, 8_000, 10])).toBe(11);
  });
});
