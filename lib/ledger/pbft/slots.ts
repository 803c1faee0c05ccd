import type { Slot } from './state.ts';
import type { Vote } from './messages/vote.ts';

/**
 * Slots at the beginning of `view`: no proposal yet, and only votes that may still count. What prepared
 * or committed in any view stays, and COMMITs: q of them prove a slot in whatever view.
 */
export function withoutView(slots: ReadonlyMap<number, Slot>, view: number): Map<number, Slot> {
  const current = (votes: ReadonlyMap<number, Vote>): Map<number, Vote> =>
    new Map([...votes].filter(([, vote]) => vote.view >= view));
  return new Map(
    [...slots].map(([sequence, slot]) => [
      sequence,
      { ...slot, proposal: null, prepares: current(slot.prepares) },
    ]),
  );
}
