import { expect, test } from 'vitest';
import type { ChainBlock } from '#lib/ledger/client/wire/answers.ts';
import { Subscription } from '#server/replica/clients/subscription.ts';
import { WaitingSubmits } from '#server/replica/clients/waiting.ts';
import { hasQuorum, heard, heardCount, startHearing } from '#server/replica/hearing.ts';
import type { Said } from '#server/replica/ledger-view.ts';

const block = (sequence: number): ChainBlock =>
  ({ header: { sequence }, seals: [], batch: new Uint8Array(0), results: [] }) as never;

test('[X3] who subscribed gets each block once and in order, no faster than it reads', async () => {
  let executed = 300;
  let isRead: () => void = () => undefined;
  const asked: number[] = [];
  const said: Said[] = [];
  const subscription = new Subscription(1, {
    blocks: (from, most) => {
      asked.push(from);
      const count = Math.min(most, executed - from + 1);
      return Promise.resolve(Array.from({ length: Math.max(0, count) }, (_, i) => block(from + i)));
    },
    executed: () => executed,
    say: (answer) => {
      said.push(answer);
      return new Promise((resolve) => (isRead = resolve));
    },
  });
  subscription.wake();
  await expect.poll(() => said).toHaveLength(1);
  subscription.wake();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(asked).toEqual([1]);
  isRead();
  await expect.poll(() => said).toHaveLength(2);
  isRead();
  executed = 301;
  subscription.wake();
  await expect.poll(() => said).toHaveLength(3);
  const sequences = said.flatMap((answer) =>
    answer.type === 'blocks' ? answer.blocks.map(({ header }) => header.sequence) : [],
  );
  expect(sequences).toEqual(Array.from({ length: 301 }, (_, i) => i + 1));
});

test('[X3] a block that a transfer skipped ends the subscription: others have it', async () => {
  const said: Said[] = [];
  const subscription = new Subscription(5, {
    blocks: () => Promise.resolve([]),
    executed: () => 9,
    say: (answer) => Promise.resolve(void said.push(answer)),
  });
  subscription.wake();
  await expect.poll(() => said).toMatchObject([{ code: 'request/not-found' }]);
});

test('[X1] all who wait for a transaction are found once; who left is not', () => {
  const waiting = new WaitingSubmits<string>();
  waiting.add('t', 'a', 1);
  waiting.add('t', 'a', 2);
  waiting.add('t', 'b', 1);
  waiting.add('u', 'b', 2);
  expect(waiting.countOf('a')).toBe(2);
  waiting.forget('b');
  expect(waiting.take('t')).toEqual([
    { client: 'a', tag: 1 },
    { client: 'a', tag: 2 },
  ]);
  expect(waiting.take('t')).toEqual([]);
  expect(waiting.countOf('a')).toBe(0);
  expect(waiting.size).toBe(0);
});

test('[X1] who waits for what a transfer skipped is found: its place is free again', () => {
  const waiting = new WaitingSubmits<string>();
  waiting.add('skipped', 'a', 1);
  waiting.add('skipped', 'b', 4);
  waiting.add('pending', 'a', 2);
  expect(waiting.takeUnless((id) => id === 'pending')).toEqual([
    { client: 'a', tag: 1 },
    { client: 'b', tag: 4 },
  ]);
  expect([waiting.countOf('a'), waiting.countOf('b'), waiting.size]).toEqual([1, 0, 1]);
});

test('[X7] fewer than q − 1 others for 2 s is no quorum; in the first moments nobody could be heard', () => {
  const others = ['a', 'b', 'c'];
  let hearing = startHearing(0);
  expect(hasQuorum(hearing, others, 2_000)).toBe(true);
  expect(hasQuorum(hearing, others, 2_001)).toBe(false);
  hearing = heard(heard(hearing, 'a', 3_000), 'b', 3_500);
  expect(heardCount(hearing, others, 4_000)).toBe(2);
  expect(hasQuorum(hearing, others, 5_000)).toBe(true);
  expect(hasQuorum(hearing, others, 5_001)).toBe(false);
  // q = 5 of seven: four others are needed.
  const six = ['a', 'b', 'c', 'd', 'e', 'f'];
  const three = six.slice(0, 3).reduce((all, id) => heard(all, id, 5_000), startHearing(0));
  expect(hasQuorum(three, six, 6_000)).toBe(false);
  expect(hasQuorum(heard(three, 'd', 5_000), six, 6_000)).toBe(true);
});
