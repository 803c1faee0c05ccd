'use client';
import { useEffect, useState } from 'react';

/** Drawn in the task that reads the store and meets cold code: the last question and its answer. */
const DRAWN_FIRST = 2;
/** Messages a step: on a phone that is four times slower than a desk, still half a long task. */
const DRAWN_STEP = 4;

/**
 * How many of the oldest messages are not drawn yet. A long conversation is seen at its end at
 * once; what stands before comes a few messages at a time, and the reader's keys go between.
 */
export function useHidden(total: number): number {
  const [left, setLeft] = useState<number | null>(null);
  const hidden = Math.min(left ?? Infinity, Math.max(0, total - DRAWN_FIRST));
  useEffect(() => {
    if (total === 0 || left === 0) return;
    const timer = setTimeout(() => setLeft(Math.max(0, hidden - DRAWN_STEP)), 0);
    return () => clearTimeout(timer);
  }, [total, left, hidden]);
  return hidden;
}
