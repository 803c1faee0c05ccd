import { GIB, MIB } from '#lib/kernel/units.ts';

/** Bounds on what a manifest may claim: hostile numbers are refused before memory is touched. */
export const PACKAGE = {
  /** A chunk is hashed and stored whole: small enough for a phone, large enough for few requests. */
  chunkBytesMax: 4 * MIB,
  /** The embedding of a 256k × 8k model in F32. */
  partBytesMax: 16 * GIB,
  chunksPerPartMax: 4096,
  tensorsPerPartMax: 32,
  layersMax: 1000,
  dimensionMax: 1 << 20,
  vocabMax: 1 << 20,
  contextMax: 1 << 20,
  tokenizerBytesMax: 64 * MIB,
  templateCharsMax: 65_536,
  /** A manifest of 1 000 layers with 32 chunks each is about 4 MB of JSON. */
  manifestBytesMax: 8 * MIB,
} as const;
