import type { Epoch, Place, SessionId } from '#lib/kernel/ids.ts';
import { RING } from './limits.ts';
import type { WireDtype } from './session-messages.ts';

/** What stages send each other over links; every frame names session, epoch and the place it is for (S2). */
export type Frame = RowsFrame | TokenFrame | ChunkAckFrame;

interface FrameAddress {
  readonly session: SessionId;
  readonly epoch: Epoch;
  /** The place this frame is for. */
  readonly place: Place;
}

/** Hidden states of consecutive positions, from one place to the next. */
export interface RowsFrame extends FrameAddress {
  readonly type: 'rows';
  /** Counted by the sender from 0, for one hop in one epoch. */
  readonly seq: number;
  readonly firstPosition: number;
  readonly rows: number;
  /** Values a row. */
  readonly width: number;
  readonly dtype: WireDtype;
  /** [rows × width] fp32 in memory, whatever the wire's dtype. */
  readonly data: Float32Array;
}

/**
 * The sampled id, from the last place to stage 0, which embeds it at `position`, and the drafts at
 * the positions after it: what the last place guesses to sample next, to be tried out in one step.
 */
export interface TokenFrame extends FrameAddress {
  readonly type: 'token';
  readonly seq: number;
  readonly position: number;
  readonly id: number;
  /** At most `RING.draftsMax`. */
  readonly drafts: readonly number[];
}

/** `taken` rows frames of this hop and epoch have been computed: opens the window (S12). */
export interface ChunkAckFrame extends FrameAddress {
  readonly type: 'chunk-ack';
  readonly taken: number;
}

/**
 * Order at each fragment border (S12): acks and tokens, then decode rows, then prefill. A chunk of so
 * few rows as a step of drafts has keeps nobody waiting.
 */
export type FramePriority = 0 | 1 | 2;

export function priorityOf(frame: Frame): FramePriority {
  if (frame.type !== 'rows') return 0;
  return frame.rows <= 1 + RING.draftsMax ? 1 : 2;
}
