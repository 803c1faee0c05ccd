import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import { AckLine } from '#server/orchestrator/ack-line.ts';

const node = 'a'.repeat(64) as NodeId;
const other = 'b'.repeat(64) as NodeId;
const ack = (session: number, accepted: number) =>
  ({ type: 'ack', session: String(session).repeat(32) as SessionId, epoch: 1, accepted }) as const;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function line() {
  const sent: [NodeId, number, number][] = [];
  const acks = new AckLine({ waitMs: 25, countMax: 4 }, (to, incarnation, { accepted }) => {
    sent.push([to, incarnation, accepted]);
  });
  return { acks, sent };
}

test('[S7] the newest ack of each session leaves after the wait', () => {
  const { acks, sent } = line();
  acks.add(node, 1, ack(1, 3));
  acks.add(node, 1, ack(2, 8));
  acks.add(node, 1, ack(1, 4));
  vi.advanceTimersByTime(24);
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(sent).toEqual([
    [node, 1, 4],
    [node, 1, 8],
  ]);
  vi.advanceTimersByTime(100);
  expect(sent).toHaveLength(2);
});

test('[S7] the fourth ack of a session takes all of its node along, and the wait begins anew', () => {
  const { acks, sent } = line();
  acks.add(other, 1, ack(3, 1));
  acks.add(node, 1, ack(2, 8));
  for (const accepted of [3, 4, 5]) acks.add(node, 1, ack(1, accepted));
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(20);
  acks.add(node, 1, ack(1, 6));
  expect(sent).toEqual([
    [node, 1, 8],
    [node, 1, 6],
  ]);
  acks.add(node, 1, ack(1, 7));
  vi.advanceTimersByTime(24);
  expect(sent.slice(2)).toEqual([[other, 1, 1]]);
  vi.advanceTimersByTime(1);
  expect(sent.slice(3)).toEqual([[node, 1, 7]]);
});

test('[S7] what else a node hears comes after its acks', () => {
  const { acks, sent } = line();
  acks.add(node, 1, ack(1, 3));
  acks.add(other, 1, ack(2, 5));
  acks.flush(node);
  expect(sent).toEqual([[node, 1, 3]]);
  vi.advanceTimersByTime(25);
  expect(sent).toEqual([
    [node, 1, 3],
    [other, 1, 5],
  ]);
});

test('[V3] acks for an older incarnation are never told to the new one', () => {
  const { acks, sent } = line();
  acks.add(node, 1, ack(1, 3));
  acks.add(node, 2, ack(2, 1));
  vi.advanceTimersByTime(25);
  expect(sent).toEqual([[node, 2, 1]]);
});

test('nothing leaves after the close', () => {
  const { acks, sent } = line();
  acks.add(node, 1, ack(1, 3));
  acks.close();
  vi.advanceTimersByTime(100);
  expect(sent).toEqual([]);
});
