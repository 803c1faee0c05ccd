import { MIB } from '#lib/kernel/units.ts';

/** Bounds of a node's side of the ring; those of frames and tokens stand in `wire/limits.ts`. */
export const STAGE = {
  /** Past this the oldest kept rows go, and a failover computes them again (S11). */
  keptBytesMax: 256 * MIB,
  /** Rows kept are given back in blocks: one prefill chunk of the default size each. */
  keptBlockRows: 64,
  /** A run that keeps nobody's token waiting is no longer than this (V1, H3). */
  chunkMsMax: 250,
  /** What prefill may add to a decode step: this share of it, or this many milliseconds (S12). */
  prefillStepShare: 0.5,
  prefillMsMin: 40,
  /** Chunks are cut to this share of that: a step now and then takes a tenth longer, or 5 ms are garbage's. */
  prefillAim: 0.8,
  /** What else the thread does between runs costs prefill half of that at most: else it might never run. */
  restMsMax: 20,
  /** Frames of sessions not open yet, of all peers together: what strangers can make us hold. */
  heldFramesMax: 64,
  /** Of one peer: sixteen sessions that begin at once would send it as many first chunks. */
  heldFramesPerPeerMax: 16,
  /** Faults about such frames: a flood of them would have the server fence us for what we say (M5). */
  heldFaultsPerSecondMax: 16,
  /** Of what drafts cost, as seen before: a wrong one of twice the truth is doubted away in 7 answers. */
  draftTrustKept: 0.9,
  /** Routes whose drafts were seen to cost so much; the oldest go first. */
  draftCostsMax: 64,
  /** Ended and released sessions remembered; the oldest go first (S10). */
  fencesMax: 4096,
} as const;
