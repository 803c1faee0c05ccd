'use client';
import { useSyncExternalStore } from 'react';
import type { Readable } from './cell.ts';

/** The value of a readable; `onServer` is what static HTML shows before hydration. */
export function useReadable<T>(readable: Readable<T>, onServer: T): T {
  return useSyncExternalStore(readable.subscribe, readable.getSnapshot, () => onServer);
}
