import { expect, test } from 'vitest';
import { Allowance } from '#server/replica/transport/allowance.ts';
import { Turns } from '#server/replica/transport/turns.ts';

const work = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

test('[X6] who has much to say waits for who has little, and all for the event loop', async () => {
  const order: string[] = [];
  const turns = new Turns(5);
  const says = (name: string, count: number): void => {
    let left = count;
    turns.add(() => {
      order.push(name);
      work(2);
      left -= 1;
      return left > 0;
    });
  };
  says('flood', 20);
  says('vote', 2);
  const timer = setInterval(() => order.push('timer'), 0);
  expect(order).toEqual([]);
  await expect.poll(() => order.filter((each) => each === 'flood')).toHaveLength(20);
  clearInterval(timer);
  const spoken = order.filter((each) => each !== 'timer');
  expect(spoken.slice(0, 4)).toEqual(['flood', 'vote', 'flood', 'vote']);
  // A slice of 5 ms holds three of 2 ms.
  expect(order.indexOf('timer')).toBeLessThan(5);
});

test('[X6] what is left of a slice is used only where there is room', async () => {
  let hasRoom = false;
  const turns = new Turns(50, () => hasRoom);
  let said = 0;
  turns.add(() => {
    said += 1;
    return said < 9;
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  await turn();
  expect(said).toBe(1);
  await turn();
  expect(said).toBe(2);
  hasRoom = true;
  await turn();
  expect(said).toBe(9);
});

test('[X6] one that throws ends nobody else’s turn', async () => {
  const turns = new Turns(5);
  const thrown = new Promise<unknown>((resolve) => {
    process.setUncaughtExceptionCaptureCallback(resolve);
  });
  turns.add(() => {
    throw new Error('broken');
  });
  const said = new Promise<void>((resolve) => {
    turns.add(() => {
      resolve();
      return false;
    });
  });
  await expect(thrown).resolves.toMatchObject({ message: 'broken' });
  await said;
  process.setUncaughtExceptionCaptureCallback(null);
});

test('[X12] what is paid back in time costs nothing, and a debt grows with what it cost', () => {
  const allowance = new Allowance({ burstMs: 100, share: 0.1, togetherMs: 2 }, 0);
  expect(allowance.spend(60, 0)).toBe(0);
  // A tenth of 100 ms pays it; of 20 more there are 2 ms, for frames that go together.
  expect(allowance.spend(50, 0)).toBeCloseTo(120);
  expect(allowance.spend(1, 120)).toBe(0);
  expect(allowance.spend(1, 120)).toBe(0);
  expect(allowance.spend(1, 120)).toBeCloseTo(30);
  // No more than the burst is ever saved.
  expect(allowance.spend(100, 1_000_000)).toBe(0);
  expect(allowance.spend(1, 1_000_000)).toBeCloseTo(30);
  // Who is known for more by now is as much in debt, and out of it sooner.
  allowance.become({ burstMs: 100, share: 0.5, togetherMs: 2 });
  expect(allowance.spend(0, 1_000_000)).toBeCloseTo(6);
});
