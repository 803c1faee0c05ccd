import type { Numerics, ShapeKind } from './model.ts';

/**
 * What `selfCheckDigest` gives on a sound device. After a change of the kernels' arithmetic:
 * `node --import tsx scripts/known-answer-digests.ts` writes them anew. A change here means that
 * old and new nodes no longer give equal bits.
 */
export const SELF_CHECK_DIGESTS: Readonly<Record<ShapeKind, Readonly<Record<Numerics, string>>>> = {
  llama: {
    exact: '0760f82ef7a190e3ea4ec06e3d8f29b4604491852d3796a543f14eea9c20f653',
    int16: '9720310f0cd910f94c73dd39a0cad6e3b04c47710c3673390cdf48812c6231fd',
  },
  qwen2: {
    exact: 'af8354430eed600eae413b1fbb030e34ccc5a9a06106da667d8899b7492c69e7',
    int16: 'e46cdaed7619a30a1c8e4095401b20e1e3ce744d2087bccd2ee1335771a99cc2',
  },
  qwen3: {
    exact: '3f14fab0b5c30ff6f8666d1866a8d3b5c830af6a2c38fb1731b467ea0d8a7793',
    int16: '57e7ffe46d84da8cbbc20f094cb2629b62d343a116d05a7bdfcc8aef6f917929',
  },
};
