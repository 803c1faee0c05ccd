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
  /** A tensor starts at a multiple of this in its part: any typed array can view it in place. */
  tensorAlignBytes: 64,
} as const;

/** Bounds on source files: what an importer reads into memory before it trusts a number. */
export const IMPORT = {
  /** Llama 3's header with 128k tokens and 280k merges is 8 MB. */
  ggufHeaderBytesMax: 64 * MIB,
  ggufKeysMax: 4096,
  ggufKeyBytesMax: 1024,
  /** The longest known string in a header is a chat template of 20 KB. */
  ggufStringBytesMax: MIB,
  /** Merges of a vocabulary of 2²⁰ may outnumber it. */
  ggufArrayItemsMax: 1 << 21,
  tensorsMax: 1 << 16,
  /** The rule of the safetensors library is 100 MB; names of 65 536 tensors fit in a tenth. */
  safetensorsHeaderBytesMax: 32 * MIB,
  safetensorsFilesMax: 1000,
  jsonBytesMax: 64 * MIB,
  /** Bytes a reader takes from disk at a time. */
  readBytes: 4 * MIB,
  /** Values converted at a time, whole blocks of 256: 1 MiB of F32 before and after. */
  convertValues: 1 << 18,
  /** Pieces of a SentencePiece vocabulary: the longest known is 32; all ways to cut one are tried. */
  pieceCharsMax: 256,
  /** Rows of one head are reordered in memory: 1 024 rows × 16k columns of F32. */
  headBytesMax: 64 * MIB,
} as const;

/** Bounds on fetching chunks. */
export const FETCH = {
  /** HTTP/1.1 browsers open six connections a host: two are left for everything else. */
  concurrentMax: 4,
  /** With the delays below a chunk is given up after about 8 s of waiting between attempts. */
  attemptsMax: 6,
  firstDelayMs: 250,
  delayMsMax: 4_000,
  /**
   * Without a byte for this long a connection is dead, however slow the line: another attempt may find
   * a living one. Beside the wait for a turn it is shorter than the silence that ends the worker.
   */
  silenceMsMax: 20_000,
  /** Four chunks of 4 MiB at once over 0.1 Mbit/s take 22 minutes. */
  attemptMsMax: 1_800_000,
  /** Bytes of chunks that are not whole yet are told this often: whoever waits sees that they come. */
  tellEveryMs: 1_000,
  /** A tab that stands still may hold a chunk's lock: others then fetch it for themselves. */
  turnWaitMsMax: 30_000,
  /** Chunks of one part read and hashed at a time: each is up to 4 MiB of memory beside the part. */
  readAheadMax: 2,
} as const;

/** Bounds on keeping chunks. */
export const STORE = {
  /** `lastUsedMs` is exact to this: a write for each chunk read would double the time of a load. */
  touchEveryMs: 3_600_000,
  /** A write of 4 MiB that takes longer than this was never going to end. */
  staleTempMs: 3_600_000,
} as const;
