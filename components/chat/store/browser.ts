import { httpDoor } from '../answer/door.ts';
import { openChatDb } from './chat-db.ts';
import { createChatStore, type ChatStore } from './chat-store.ts';

/** The store of a page: fetch, dexie, animation frames. Touches nothing before `start()`. */
export function createBrowserChat(): ChatStore {
  const clock = () => Math.round(performance.timeOrigin + performance.now());
  return createChatStore({
    door: httpDoor(clock),
    db: openChatDb(),
    clock,
    sleep,
    requestFrame: (draw) => requestAnimationFrame(draw),
    newId: () => randomHex(16),
    newSeed: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) >>> 1,
  });
}

/** `crypto.randomUUID` is missing over plain http (M8); `getRandomValues` is there. */
function randomHex(bytes: number): string {
  const values = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(values, (value) => value.toString(16).padStart(2, '0')).join('');
}

/** Resolves after `ms`, when the network comes back, or when `signal` aborts. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      removeEventListener('online', wake);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    addEventListener('online', wake);
    signal.addEventListener('abort', wake);
  });
}
