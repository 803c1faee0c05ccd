import { FETCH } from '../limits.ts';
import { throwIfAborted } from '../retry.ts';
import type { ChunkStore } from './chunk-store.ts';

/** Of `navigator.locks` what stores need: one holder of a name at a time. */
export interface Locks {
  /** Rejects where `signal` fires before the name was free. */
  request<T>(name: string, options: { signal?: AbortSignal }, run: () => Promise<T>): Promise<T>;
}

/** Turns at a chunk, by locks that everybody who shares the store sees; without locks at once. */
export const turns =
  (locks: Locks | undefined): ChunkStore['inTurn'] =>
  async (hash, signal, run) => {
    if (!locks) return run();
    const turn = { came: false };
    const waiting = AbortSignal.any([signal, AbortSignal.timeout(FETCH.turnWaitMsMax)]);
    try {
      return await locks.request(`declai-fetch-${hash}`, { signal: waiting }, () => {
        turn.came = true;
        return run();
      });
    } catch (error) {
      if (turn.came) throw error;
      throwIfAborted(signal);
      return run();
    }
  };

/** `navigator.locks` of one process: for stores of its own. */
export function processLocks(): Locks {
  const tails = new Map<string, Promise<void>>();
  return {
    async request(name, { signal }, run) {
      const before = tails.get(name) ?? Promise.resolve();
      let leave = (): void => undefined;
      const own = new Promise<void>((resolve) => (leave = resolve));
      const tail = before.then(() => own);
      tails.set(name, tail);
      try {
        await (signal ? Promise.race([before, firedBy(signal)]) : before);
        return await run();
      } finally {
        leave();
        if (tails.get(name) === tail) tails.delete(name);
      }
    },
  };
}

const firedBy = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const fire = (): void => reject(signal.reason as Error);
    if (signal.aborted) fire();
    else signal.addEventListener('abort', fire, { once: true });
  });
