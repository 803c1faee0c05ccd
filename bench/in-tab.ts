import { fileURLToPath } from 'node:url';
import { FaultError } from '#lib/kernel/errors.ts';
import { launchBrowser } from '#tests/support/browser.ts';
import { inTabWorker } from './tab-worker.ts';

export interface SeenInTab<T> {
  /** Of Chromium. */
  readonly version: string;
  readonly value: T;
}

/** What a worker that answers by `answerInTab` measures of a package, in a tab of Chromium. */
export async function runInTab<T>(folder: string, worker: URL): Promise<SeenInTab<T>> {
  const browser = await launchBrowser();
  const version = browser.version();
  const job = { folder, worker: fileURLToPath(worker), browser };
  const reply = await inTabWorker<{ readonly value: T }>(job);
  if ('error' in reply) throw new FaultError('engine/lost', reply.error);
  return { version, value: reply.value };
}
