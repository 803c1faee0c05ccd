import { describe, expect, it } from 'vitest';
import { growthOf, isInWindow, missedBy, windowsOf, type Sample } from '#tests/e2e/soak/memory.ts';
import { missedByReaders, newTally } from '#tests/e2e/soak/readers.ts';
import { missedBars, reportOf } from '#tests/e2e/soak/report.ts';

const MIB = 2 ** 20;
const windows = windowsOf(30);
const rest = { before: 20, after: 28 };

/** A sample every 10 s of a process that holds so much; collected where the soak collects. */
function life(of: (minute: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: 180 }, (_, i) => {
    const atMs = (i + 1) * 10_000;
    return { atMs, bytes: 0, handles: 20, floor: isInWindow(atMs, windows), ...of(atMs / 60_000) };
  });
}

describe('the bars of a soak', () => {
  it('compare the minutes after the first five with the last', () => {
    expect(windows).toEqual({ settledMs: 300_000, lengthMs: 180_000, endMs: 1_800_000 });
    expect(windowsOf(3)).toEqual({ settledMs: 60_000, lengthMs: 40_000, endMs: 180_000 });
  });

  it('let garbage come and go, and what the first minutes take', () => {
    const samples = life((minute) => ({
      bytes: (minute < 5 ? 50 : 100 + 80 * (minute % 2)) * MIB,
      handles: 20 + Math.round(minute % 3),
    }));
    const growth = growthOf(samples, windows, rest);
    expect(growth?.share).toBeCloseTo(0, 1);
    expect(growth?.peakBytes).toBeGreaterThan(170 * MIB);
    expect(missedBy(growth)).toEqual([]);
  });

  it('find a leak of half a MiB a minute under garbage', () => {
    const leak = life((minute) => ({ bytes: (100 + minute / 2 + 40 * (minute % 2)) * MIB }));
    expect(missedBy(growthOf(leak, windows, rest))).toEqual([
      expect.stringMatching(/^grew by 1\d\.\d %/),
    ]);
  });

  it('find a handle that stays open after each visit', () => {
    const flat = life(() => ({ bytes: MIB }));
    const leak = { before: 20, after: 29 };
    expect(missedBy(growthOf(flat, windows, leak))).toEqual(['9 handles more']);
    const gone = { before: 20, after: Infinity };
    expect(missedBy(growthOf(flat, windows, gone))).toEqual(['Infinity handles more']);
  });

  it('read only what was collected of a process that can be told to', () => {
    const samples = life((minute) => ({ bytes: MIB, floor: minute < 20 }));
    expect(growthOf(samples, windows, rest)).toBe(null);
  });

  it('miss a process that was not there to the end', () => {
    const gone = life(() => ({ bytes: MIB })).filter(({ atMs }) => atMs < 1_500_000);
    expect(missedBy(growthOf(gone, windows, rest))).toEqual(['was not there to the end']);
  });

  it('allow one coded error in a hundred answers, and no wrong one', () => {
    const tally = { ...newTally(), answers: 200 };
    tally.errors.set('session/no-cover', 2);
    expect(missedByReaders(tally)).toEqual([]);
    tally.errors.set('session/hop-timeout', 1);
    expect(missedByReaders(tally)).toEqual(['1.5 % of answers had an error']);
    tally.errors.clear();
    tally.wrong.push('sky: [1]');
    expect(missedByReaders(tally)).toEqual(['sky: [1]']);
    expect(missedByReaders(newTally())).toEqual(['100.0 % of answers had an error']);
  });

  it('are all in the report, by name', () => {
    const growth = growthOf(
      life((minute) => ({ bytes: minute * MIB })),
      windows,
      rest,
    );
    const visits = { joined: 1, close: 1, stop: 0, kill: 0 };
    const tally = { ...newTally(), answers: 100 };
    const processes = [
      { name: 'server', judged: true, growth },
      { name: 'browser of tab 1', judged: false, growth },
    ];
    const result = { minutes: 30, tally, visits, processes };
    expect(missedBars(result)).toEqual([expect.stringMatching(/^server grew by/)]);
    expect(reportOf(result)).toMatch(/\| server \|.*\| missed \|\n\| browser of tab 1 \|.*none \|/);
    expect(missedBars({ ...result, processes: [] })).toEqual([]);
  });
});
