import { CPU_LIMITS } from './limits.ts';
import type { HelperStart, HelperThread } from './threads.ts';

/**
 * Starts helper threads as Web Workers, whose script `make` names as its bundler understands it. One whose
 * stage has ended computes nothing any more, and goes a while later, or with the worker that made it.
 */
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
    const end = (): void => void setTimeout(() => worker.terminate(), CPU_LIMITS.helperLingerMs);
    return { ready, end };
  };
