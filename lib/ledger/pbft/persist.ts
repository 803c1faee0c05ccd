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

/** What waited for records up to `id`, in the order in which it was decided. */
export function takeStored(turn: Turn, id: number): Message[] {
  const { withheld } = turn.state;
  const free = withheld.filter((each) => each.id <= id);
  if (free.length > 0) update(turn, { withheld: withheld.slice(free.length) });
  return free.map(({ message }) => message);
}

/** Our own message of this type for the current view that still waits for the disk. */
export const isWithheld = ({ state }: Turn, type: 'view-change' | 'new-view'): boolean =>
  state.withheld.some(
    ({ message }) =>
      message.type === type &&
      message.view === state.view &&
      message.epoch === state.constitution.epoch,
  );
