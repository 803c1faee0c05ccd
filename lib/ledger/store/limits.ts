import { invariant } from '#lib/kernel/assert.ts';
import { MIB } from '#lib/kernel/units.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';

export const STORE = {
  /** A segment is written with zeros before it is used, so that a record overwrites and never grows a file. */
  segmentBytes: 4 * MIB,
  /** The largest record is a NEW-VIEW, as long as the frame that brought it. */
  recordBytesMax: LIMITS.frameBytesMax,
  /** Blocks, with the places of their requests, go to the database so many together, or after this time. */
  blocksTogether: 16,
  blocksWaitMs: 100,
  /** A state is cut for so long before others have their turn. */
  sliceMs: 4,
  /** Written with one sync: what waits longer than that belongs to the next one. */
  groupBytesMax: 8 * MIB,
  /** Segments of one log. Pruning leaves one or two; more than that is no log of ours. */
  segmentsMax: 4096,
} as const;

invariant(STORE.recordBytesMax >= LIMITS.batchBytesMax, 'a batch fits into a record');
