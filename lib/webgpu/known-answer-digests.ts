import type { Numerics, ShapeKind } from './model.ts';

/**
 * What `selfCheckDigest` gives on a sound device. After a change of the kernels' arithmetic:
 * `node --import tsx scripts/known-answer-digests.ts` writes them anew. A change here means that
 * old and new nodes no longer give equal bits.
 */
export const SELF_CHECK_DIGESTS: Readonly<Record<ShapeKind, Readonly<Record<Numerics, string>>>> = {
  llama: {
    exact: '0760f82ef7a190e3ea4ec06e3d8f29b4604491852d3796a543f14eea9c20f653',
    int16: '58f3f5cab6a052f6f63f3442f15a0ca2d08a50bf46fbfa01a12a4665e7e53413',
  },
  qwen2: {
    exact: 'af8354430eed600eae413b1fbb030e34ccc5a9a06106da667d8899b7492c69e7',
    int16: 'bb99d4bc1cd4af6429da01f9e8bd47a3e36542e11a459599bbfca7fdf5a10c74',
  },
  qwen3: {
    exact: '3f14fab0b5c30ff6f8666d1866a8d3b5c830af6a2c38fb1731b467ea0d8a7793',
    int16: '2269b5502316004727896b073d71227e188e7e9ff801fdcdec90eba2a9319f6c',
  },
};
