import type { Random } from '#lib/kernel/random.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import { decodeFrame, encodeFrame } from '#lib/shard/wire/frame-codec.ts';
import { mutate } from './mutate.ts';

/** A seq that no flow of a short answer comes to: of a coming epoch it is never the next one. */
const SEQ_FAR = 1_000;

/**
 * What a peer in the route may send after `right`, the frame that its stage just sent. Never work
 * that passes for right, which only a known answer finds (M7). Harmless: what honest links bring,
 * too, late, doubled, or of sessions nobody knows, and what is dropped without a word. Else anything
 * that is held against somebody, down to bytes that are no frame.
 */
export function wrongWork(
  right: Frame,
  { random, isHarmless }: { readonly random: Random; readonly isHarmless: boolean },
): Uint8Array<ArrayBuffer> {
  const bytes = encodeFrame(right);
  for (;;) {
    const wrong = mutate(bytes, random);
    const decoded = decodeFrame(Uint8Array.from(wrong));
    const frame = decoded.ok ? decoded.frame : null;
    if (frame && passesForRight(frame, right)) continue;
    if (wrong.length > 0 && (frame !== null && isDropped(frame, right)) === isHarmless)
      return wrong;
  }
}

const seqOf = (frame: Frame): number => (frame.type === 'chunk-ack' ? -1 : frame.seq);

/** A frame that its receiver could take for the next one of this flow, now or in an epoch to come. */
function passesForRight(frame: Frame, right: Frame): boolean {
  if (frame.session !== right.session || frame.place !== right.place) return false;
  if (frame.type === 'chunk-ack') return false;
  if (frame.epoch > right.epoch) return seqOf(frame) < SEQ_FAR;
  if (frame.epoch < right.epoch) return false;
  // An ack says nothing of how far the other kind of frames for its place has come.
  return right.type === 'chunk-ack' || seqOf(frame) === seqOf(right) + 1;
}

function isDropped(frame: Frame, right: Frame): boolean {
  if (frame.session !== right.session || frame.epoch < right.epoch) return true;
  const isSameFlow = frame.place === right.place && frame.type === right.type;
  return frame.epoch === right.epoch && isSameFlow && seqOf(frame) <= seqOf(right);
}
