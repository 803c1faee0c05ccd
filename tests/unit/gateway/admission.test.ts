import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  admit,
  duration,
  emptyAdmission,
  quotaHeaders,
  quotaOf,
  release,
  retryAfterSeconds,
  type AnswerSize,
} from '#server/gateway/admission.ts';

const BOUNDS = {
  answersOpenMax: 4,
  tokensOpenMax: 1000,
  retryAfterSecondsMax: 59,
  answerMsGuess: 2_000,
};
const IDLE = { running: 0, queued: 0, queuedMax: 8 };

test('[G12] admission never exceeds its bounds and ends where it began', () => {
  const steps = fc.array(
    fc.record({
      sessions: fc.integer({ min: 1, max: 3 }),
      tokens: fc.integer({ min: 1, max: 600 }),
      end: fc.boolean(),
    }),
  );
  fc.assert(
    fc.property(steps, (list) => {
      const open: AnswerSize[] = [];
      const sum = (of: keyof AnswerSize): number => open.reduce((all, each) => all + each[of], 0);
      let state = emptyAdmission(BOUNDS);
      for (const { end, ...size } of list) {
        const first = end ? open.shift() : undefined;
        if (first !== undefined) state = release(state, first, null);
        const fits = sum('sessions') + size.sessions <= 4 && sum('tokens') + size.tokens <= 1000;
        const next = admit(state, size, BOUNDS);
        expect(next !== null).toBe(fits);
        if (next) open.push(size);
        state = next ?? state;
        expect(state).toMatchObject({
          open: sum('sessions'),
          openTokens: sum('tokens'),
        });
      }
      for (const size of open) state = release(state, size, null);
      expect(state).toEqual(emptyAdmission(BOUNDS));
    }),
  );
});

test('[G12] the quota is what would be taken: never negative, never above its limit', () => {
  const load = fc.record({
    running: fc.integer({ min: 0, max: 9 }),
    queued: fc.integer({ min: 0, max: 9 }),
    queuedMax: fc.integer({ min: 0, max: 9 }),
  });
  const state = fc.record({
    open: fc.integer({ min: 0, max: 9 }),
    openTokens: fc.integer({ min: 0, max: 2000 }),
    answerMs: fc.double({ min: 1, max: 1e7, noNaN: true }),
  });
  fc.assert(
    fc.property(state, load, (now, cluster) => {
      const { requests, tokens, resetMs } = quotaOf(now, cluster, BOUNDS);
      for (const { limit, remaining } of [requests, tokens]) {
        expect(remaining).toBeGreaterThanOrEqual(0);
        expect(remaining).toBeLessThanOrEqual(limit);
      }
      expect(resetMs).toBeGreaterThanOrEqual(0);
      const seconds = retryAfterSeconds(now, cluster, BOUNDS);
      expect(seconds).toBeGreaterThanOrEqual(1);
      expect(seconds).toBeLessThanOrEqual(59);
    }),
  );
});

test('[G12] the time to wait follows the answers that were measured', () => {
  const size = { sessions: 1, tokens: 10 };
  let state = admit(emptyAdmission(BOUNDS), size, BOUNDS)!;
  for (let i = 0; i < 50; i += 1) {
    state = admit(release(state, size, 12_000), size, BOUNDS)!;
  }
  expect(state.answerMs).toBeCloseTo(12_000, -1);
  expect(retryAfterSeconds(state, { ...IDLE, running: 3 }, BOUNDS)).toBe(4);
  expect(quotaHeaders(quotaOf(state, { ...IDLE, running: 1, queued: 2 }, BOUNDS))).toEqual({
    'x-ratelimit-limit-requests': '4',
    'x-ratelimit-remaining-requests': '3',
    'x-ratelimit-reset-requests': '36s',
    'x-ratelimit-limit-tokens': '1000',
    'x-ratelimit-remaining-tokens': '990',
    'x-ratelimit-reset-tokens': '36s',
  });
});

test('durations are written as OpenAI writes them', () => {
  expect([0, 120.4, 999, 1500, 59_949, 60_000, 364_000].map(duration)).toEqual([
    '0ms',
    '120ms',
    '999ms',
    '1.5s',
    '59.9s',
    '1m0s',
    '6m4s',
  ]);
});
