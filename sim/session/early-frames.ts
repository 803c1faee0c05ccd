import type { Frame } from '#lib/shard/wire/frame.ts';
import type { StageInput, StageOutput } from '#lib/shard/stage/types.ts';
import { SimFailure } from './failure.ts';
import { short } from './ground.ts';
import type { Machine } from './machine.ts';

/** Frames that wait for their `prepare`, or have come before it. */
export function earlyFrames(node: Machine, input: StageInput): readonly Frame[] {
  const waiting = node.core.held.map(({ frame }) => frame);
  return input.type === 'frames' ? [...waiting, ...input.frames] : waiting;
}

/** Each still waits, or has been taken with its epoch, or is called lost (S2). */
export function checkEarly(
  node: Machine,
  early: readonly Frame[],
  outputs: readonly StageOutput[],
): void {
  for (const frame of early) {
    const { session, epoch } = frame;
    const present = node.core.sessions.get(session)?.prepare.epoch ?? 0;
    const given = node.core.fences.get(session)?.epoch ?? 0;
    const waits = node.core.held.some((held) => held.frame === frame);
    const isOver = epoch <= Math.max(present, given);
    if (waits && isOver)
      throw new SimFailure('order', `${short(node.id)} lets a frame of ${epoch} wait for ever`);
    if (!waits && !isOver && !outputs.some((output) => isFaultOf(output, frame)))
      throw new SimFailure('order', `${short(node.id)} loses a frame of ${epoch} in silence`);
  }
}

const isFaultOf = (output: StageOutput, frame: Frame): boolean =>
  output.type === 'owner' &&
  output.message.type === 'fault' &&
  output.message.session === frame.session &&
  output.message.epoch === frame.epoch;
