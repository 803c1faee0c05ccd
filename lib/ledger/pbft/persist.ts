import type { Message } from './messages/message.ts';
import { encodeRecord, type LogRecord } from './records.ts';
import { update, type Turn } from './state.ts';

/**
 * Writes a record; `message` leaves, and counts as our own vote, only once it is on disk. A vote that
 * counted before might be forgotten by a crash although others acted on what it brought about.
 * @returns the record's id.
 */
export function persist(turn: Turn, record: LogRecord, message: Message | null = null): number {
  const { nextBarrier: id, withheld, view, constitution } = turn.state;
  const bytes = encodeRecord(record);
  turn.out.push({ type: 'persist', id, record: bytes, epoch: constitution.epoch, view });
  update(turn, {
    nextBarrier: id + 1,
    withheld: message === null ? withheld : [...withheld, { id, message }],
  });
  return id;
}

/**
 * The first that waited for a record up to `id`, in the order in which it was decided; null: none does any
 * more. One at a time: what the one before brings about must find those after it somewhere. A proposal
 * that no slot and no list tells of would be made twice, and not be logged again before the log is cut.
 */
export function takeStored(turn: Turn, id: number): Message | null {
  const [first, ...others] = turn.state.withheld;
  if (first === undefined || first.id > id) return null;
  update(turn, { withheld: others });
  return first.message;
}

/** Our own message of this type for the current view that still waits for the disk. */
export const isWithheld = ({ state }: Turn, type: 'view-change' | 'new-view'): boolean =>
  state.withheld.some(
    ({ message }) =>
      message.type === type &&
      message.view === state.view &&
      message.epoch === state.constitution.epoch,
  );
