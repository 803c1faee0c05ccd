import { invariant } from '#lib/kernel/assert.ts';
import { MIB } from '#lib/kernel/units.ts';

export const GPU_LIMITS = {
  /**
   * Positions by which a session's keys and values grow, all layers together. Each growth copies
   * them on the device, so small pages cost copies, and large ones memory that nobody uses.
   */
  pagePositions: 64,
  /** Rows of one run: bounds the GPU's work space and the logits that come back at once. */
  runRowsMax: 256,
  /** Sessions whose single rows one run takes: more rows than this no longer come for nothing. */
  slotsMax: 16,
  /** Positions by which buffers of several sessions grow: each growth copies what all of them hold. */
  growPositions: 256,
  /**
   * A row count of each class that has shaders of its own, single rows apart: compiled before a node
   * is ready. Seen in onnxruntime-web 1.30: 1, 2–3, 4–8, 9–31, 32 and more.
   */
  warmUpRows: [2, 4, 9, 32],
  /** Group sizes that have one of their own. */
  warmUpSessions: [4, 16],
  /** A browser that has not found its GPU by then has none. */
  findMs: 5_000,
  /** Buffers of this size are made to see how much there is. */
  probeBytes: 128 * MIB,
  /** Parts read and hashed while one is packed. */
  partsAheadMax: 2,
  /**
   * Subgroups (invocations in lockstep) narrower than this are not used: with SwiftShader's four,
   * onnxruntime-web 1.30's attention of many rows answers wrongly from the fifth row on.
   */
  subgroupSizeMin: 8,
  /** Head widths that GroupQueryAttention's rotary embedding takes are multiples of this. */
  headDimMultiple: 16,
  /** Past this the tables of rotary embedding and one session's cache outgrow a GPU's buffers. */
  contextMax: 1 << 17,
} as const;

invariant(GPU_LIMITS.growPositions % GPU_LIMITS.pagePositions === 0, 'buffers grow by pages');
invariant(GPU_LIMITS.runRowsMax % GPU_LIMITS.pagePositions === 0, 'a full run ends with a page');
