import { invariant } from '#lib/kernel/assert.ts';
import { GIB, MIB } from '#lib/kernel/units.ts';

export const CPU_LIMITS = {
  /** Positions of a KV page: small enough that a short session wastes little, a multiple of 16. */
  pagePositions: 32,
  /** Pages that lie together in memory: a head's keys of 4 096 positions in one piece. */
  groupPagesMax: 128,
  /** Bytes of such a group: memory grows by so much, though what nobody writes to stays a promise. */
  groupBytesMax: 128 * MIB,
  /** Rows of one step; a step is cut into passes, so this bounds only time and result bytes. */
  stepRowsMax: 4096,
  /** The kernels of a chunk and, after it, of a single row (`Stage.warmUpRows`). */
  warmUpRows: [7, 1],
  /** Rows computed together: past this, more rows win nothing, and work space grows with it. */
  passRowsMax: 128,
  /** Rows whose logits are computed together: 16 × vocabulary × 4 bytes of work space. */
  headRowsMax: 16,
  /** Ids whose logits change at a time: all that `logit_bias` may name, a long history in parts. */
  changedIdsMax: 1024,
  /** Stored bytes that lie in memory beside the packed ones while a tensor is taken in. */
  stagingBytesMax: 1 * MIB,
  /** Parts read and hashed while one is packed: two hide the disk; all of them lie in memory. */
  partsAheadMax: 2,
  /** A WASM memory addresses 2³² bytes; the last page stays free, so that no end wraps to 0. */
  memoryBytesMax: 4 * GIB - 65_536,
  /** Memory grows by at least this: V8 counts a whole memory at each growth, and collects garbage. */
  growthBytesMin: 32 * MIB,
  /** The maximum that the build for threads was compiled with: 4 GiB. */
  sharedMemoryPagesMax: 65_536,
  /** A helper thread that has not joined by then never does: the stage goes on without it. */
  helperStartMs: 4_000,
  /**
   * A tab's helper thread lives on so long after its stage: longer than the worker that measured does. A
   * worker that is terminated while one of its own is ending never ends in Chromium (README, T1).
   */
  helperLingerMs: 5_000,
  /** Work space and score rows grow with these: past them a shape is refused. */
  contextMax: 1 << 20,
  headDimMax: 512,
} as const;

invariant(CPU_LIMITS.pagePositions % 16 === 0, 'scores are compared sixteen at a time');
invariant(CPU_LIMITS.passRowsMax - CPU_LIMITS.headRowsMax >= 0, 'the head uses a pass’s space');
