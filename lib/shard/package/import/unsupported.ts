import { FaultError } from '#lib/kernel/errors.ts';

/** What a model asks for and nothing here computes, by its name (K3). */
export const unsupported = (what: string): FaultError =>
  new FaultError('package/unsupported', what);
