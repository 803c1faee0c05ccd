import { invariant } from '#lib/kernel/assert.ts';
import { GIB, MIB } from '#lib/kernel/units.ts';
import { FETCH } from '#lib/shard/package/limits.ts';

/** Bounds and times of a volunteer's node. */
export const NODE = {
  /** Waits before the n-th new hello: 1 s, 2 s, 4 s … capped, so that a sick server is left alone. */
  rejoinFirstMs: 1_000,
  rejoinMaxMs: 30_000,
  /** A shard that could not be fetched or loaded is tried again after this. */
  reloadMs: 5_000,
  /** The server waits 5 s for a hello: an older challenge is not worth answering. */
  challengeFreshMs: 3_000,
  /** The leave message has this long to reach the server before the socket is cut. */
  leaveMs: 1_500,
  tickEveryMs: 500,
  /** A page draws no faster, or it takes a tenth of a core from the layers; phases are told at once. */
  drawEveryMs: 500,
  /** A closed socket's last message is on its way by then. */
  flushMs: 200,
  /** `state` messages while bytes come in, and `load` messages while serving. */
  reportEveryMs: 1_000,
  /** Deadlines of the worker's jobs: past them it is terminated and rebuilt (V1). */
  quickJobMs: 15_000,
  measureJobMs: 30_000,
  /** Fetches ONNX Runtime (17 MB), compiles shaders, checks and measures. */
  measureGpuJobMs: 120_000,
  /** Tries of a GPU that did not come to their end: past them it is the GPU, not a tab that was closed. */
  gpuTriesMax: 2,
  /** Live steps so far from the measured ones, for so much work: the next start measures again. */
  driftMax: 0.3,
  driftMs: 60_000,
  loadJobMs: 120_000,
  fetchJobMs: 86_400_000,
  /** A fetch may be long; without one byte for this long it is dead. */
  fetchSilenceMs: 60_000,
  /** How often a node whose store was full asks whether there is room now. */
  roomCheckMs: 5_000,
  roomCheckMsMax: 600_000,
  /** Node only: what connections held that closed within this long is given back together. */
  collectAfterMs: 5_000,
  /** Lent by default: a quarter of what the device says it has, within these. */
  memoryLentMin: 512 * MIB,
  memoryLentMax: 4 * GIB,
  /** The rate of a download is its mean over this long. */
  rateWindowMs: 5_000,
} as const;

invariant(
  FETCH.turnWaitMsMax + FETCH.silenceMsMax < NODE.fetchSilenceMs,
  'a dead connection is given up before the worker that waits for it is',
);
