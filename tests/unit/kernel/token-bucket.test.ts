import { expect, test } from 'vitest';
import { NamedBuckets, rateOf, TokenBucket } from '#lib/kernel/token-bucket.ts';
import { instantMs } from '#lib/kernel/units.ts';

const at = (ms: number) => instantMs(ms);

test('a bucket gives its burst at once, then its rate, and is full again in time', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 20 }, at(0));
  expect(bucket.take(20, at(0))).toBe(0);
  expect(bucket.take(1, at(0))).toBe(100);
  expect(bucket.take(1, at(50))).toBe(50);
  expect(bucket.take(1, at(100))).toBe(0);
  expect(bucket.take(1, at(100))).toBe(100);
  expect([bucket.isFull(at(2_099)), bucket.isFull(at(2_100))]).toEqual([false, true]);
  expect(bucket.take(21, at(60_000))).toBe(100);
  expect(bucket.take(20, at(60_000))).toBe(0);
});

test('what is spent past that is owed', () => {
  const bucket = new TokenBucket(rateOf(10), at(0));
  bucket.spend(10, at(0));
  expect(bucket.waitMs(0, at(0))).toBe(0);
  bucket.spend(5, at(0));
  expect(bucket.waitMs(0, at(0))).toBe(500);
  expect(bucket.take(1, at(500))).toBe(100);
  expect(bucket.take(1, at(600))).toBe(0);
});

test('each name has its own, and strangers take no room for ever', () => {
  const rates = new NamedBuckets({ perSecond: 10, burst: 2 });
  expect([1, 2, 3].map(() => rates.take('a', 1, at(0)))).toEqual([0, 0, 100]);
  expect(rates.take('b', 1, at(0))).toBe(0);
  expect(rates.take('a', 1, at(90))).toBe(10);
  expect(rates.take('a', 1, at(100))).toBe(0);
  for (let i = 0; i < 16_383; i += 1) rates.take(`s${i}`, 1, at(100));
  expect(rates.take('one more', 1, at(100))).toBe(100);
  expect(rates.waitMs('one more', 0, at(100))).toBe(200);
  expect(rates.take('one more', 1, at(300))).toBe(0);
});

test('a name that owes waits, however little it asks for', () => {
  const rates = new NamedBuckets({ perSecond: 1_000, burst: 500 });
  expect(rates.waitMs('a', 0, at(0))).toBe(0);
  rates.spend('a', 1_500, at(0));
  expect([0, 500, 1_000].map((ms) => rates.waitMs('a', 0, at(ms)))).toEqual([1_000, 500, 0]);
  expect(rates.waitMs('b', 0, at(0))).toBe(0);
});
