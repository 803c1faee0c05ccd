import type { HelperStart, HelperThread } from './threads.ts';

/** Starts helper threads as Web Workers, whose script `make` names as its bundler understands it. */
export const helperWith =
  (make: () => Worker) =>
  (start: HelperStart): HelperThread => {
    const worker = make();
    const ready = new Promise<void>((resolve) => {
      worker.onmessage = () => {
        resolve();
      };
      worker.onerror = (event) => {
        event.preventDefault();
        resolve();
      };
    });
    worker.postMessage(start);
    return { ready, end: () => worker.terminate() };
  };
