import type { Numerics } from './model.ts';

/**
 * What `selfCheckDigest` gives on a sound device. After a change of the kernels' arithmetic:
 * `node --import tsx scripts/known-answer-digests.ts` writes them anew. A change here means that
 * old and new nodes no longer give equal bits.
 */
export const SELF_CHECK_DIGESTS: Readonly<Record<Numerics, string>> = {
  exact: '0760f82ef7a190e3ea4ec06e3d8f29b4604491852d3796a543f14eea9c20f653',
  int16: '9720310f0cd910f94c73dd39a0cad6e3b04c47710c3673390cdf48812c6231fd',
};
