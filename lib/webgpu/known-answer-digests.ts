import type { Numerics, ShapeKind } from './model.ts';

/**
 * What `selfCheckDigest` gives on a sound device. After a change of the kernels' arithmetic:
 * `node --import tsx scripts/known-answer-digests.ts` writes them anew. A change here means that
 * old and new nodes no longer give equal bits.
 */
export const SELF_CHECK_DIGESTS: Readonly<Record<ShapeKind, Readonly<Record<Numerics, string>>>> = {
  llama: {
    exact: '0760f82ef7a190e3ea4ec06e3d8f29b4604491852d3796a543f14eea9c20f653',
    int16: 'f80dc9070a095da6a30092ebb857311232da0a0152c0aadc542f742146442faf',
  },
  qwen2: {
    exact: 'af8354430eed600eae413b1fbb030e34ccc5a9a06106da667d8899b7492c69e7',
    int16: 'ca853d3edc70e409a7d76e6c5a14272725bbbf929b844c4e3674e7a7f6f1ce57',
  },
  qwen3: {
    exact: '3f14fab0b5c30ff6f8666d1866a8d3b5c830af6a2c38fb1731b467ea0d8a7793',
    int16: '4ba264e839a0653fde0caf953bdd69b721ca0136db34dbac3cb1178317742488',
  },
};
