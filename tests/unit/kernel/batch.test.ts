import { expect, test } from 'vitest';
import { Batch } from '#lib/kernel/batch.ts';

const told = () => {
  const calls: (readonly number[])[] = [];
  return { calls, batch: new Batch<number>((items) => calls.push(items)) };
};

test('what is said in one turn leaves together, in order, before the next turn', async () => {
  const { calls, batch } = told();
  batch.add(1);
  batch.add(2);
  expect(calls).toEqual([]);
  await Promise.resolve();
  expect(calls).toEqual([[1, 2]]);
  batch.add(3);
  await Promise.resolve();
  expect(calls).toEqual([[1, 2], [3]]);
});

test('a flush leaves at once, and nothing leaves twice', async () => {
  const { calls, batch } = told();
  batch.add(1);
  batch.flush();
  batch.add(2);
  expect(calls).toEqual([[1]]);
  await Promise.resolve();
  await Promise.resolve();
  expect(calls).toEqual([[1], [2]]);
});

test('what is said while a batch leaves goes with the next one', async () => {
  const calls: (readonly number[])[] = [];
  const batch: Batch<number> = new Batch((items) => {
    calls.push(items);
    if (items[0] === 1) batch.add(2);
  });
  batch.add(1);
  await Promise.resolve();
  await Promise.resolve();
  expect(calls).toEqual([[1], [2]]);
});
