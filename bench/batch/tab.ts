import { fileURLToPath } from 'node:url';
import { FaultError } from '#lib/kernel/errors.ts';
import type { Numerics } from '#lib/webgpu/model.ts';
import { launchBrowser } from '#tests/support/browser.ts';
import { inTabWorker } from '../tab-worker.ts';
import type { BatchRate } from './measure.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));

export interface NumericsRates {
  readonly numerics: Numerics;
  readonly rates: readonly BatchRate[];
}

/** The same measurement in a worker of a page of Chromium, where volunteers compute. */
export async function measureInTab(
  folder: string,
): Promise<{ version: string; rates: readonly NumericsRates[] }> {
  const browser = await launchBrowser();
  const version = browser.version();
  const job = { folder, worker: WORKER, browser };
  const reply = await inTabWorker<{ rates: readonly NumericsRates[] }>(job);
  if ('error' in reply) throw new FaultError('engine/lost', reply.error);
  return { version, rates: reply.rates };
}
