import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StopMatcher } from '#lib/shard/session/stop-strings.ts';

/** The dumb oracle: one character at a time, look whether a stop string has just ended. */
function oracle(text: string, stops: readonly string[]): { emit: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end += 1) {
    const seen = text.slice(0, end);
    const lengths = stops.filter((stop) => stop !== '' && seen.endsWith(stop)).map((s) => s.length);
    if (lengths.length > 0)
      return { emit: seen.slice(0, end - Math.max(...lengths)), stopped: true };
  }
  return { emit: text, stopped: false };
}

const letters = (maxLength: number) =>
  fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength }).map((parts) => parts.join(''));

describe('stop strings', () => {
  test('[S8] whatever the pieces, the reader gets what comes before the first stop string', () => {
    const pieces = fc.array(letters(6), { maxLength: 12 });
    const stops = fc.array(letters(5), { maxLength: 4 });
    fc.assert(
      fc.property(pieces, stops, (parts, chosen) => {
        const matcher = new StopMatcher(chosen);
        let emit = '';
        let stopped = false;
        for (const part of parts) {
          const step = matcher.push(part);
          emit += step.emit;
          stopped = step.stopped;
        }
        emit += matcher.flush();
        expect({ emit, stopped }).toEqual(oracle(parts.join(''), chosen));
      }),
      { numRuns: 3000 },
    );
  });

  test('[S8] what cannot begin a stop string is not held back', () => {
    const matcher = new StopMatcher(['</s>']);
    expect(matcher.push('one < two')).toEqual({ emit: 'one < two', stopped: false });
    expect(matcher.push(' </')).toEqual({ emit: ' ', stopped: false });
    expect(matcher.push('b>')).toEqual({ emit: '</b>', stopped: false });
    expect(matcher.push('</s')).toEqual({ emit: '', stopped: false });
    expect(matcher.push('> and more')).toEqual({ emit: '', stopped: true });
    expect(matcher.push('more')).toEqual({ emit: '', stopped: true });
    expect(matcher.flush()).toBe('');
  });
});
