import { unreachable } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { newViewBody } from '#lib/ledger/pbft/messages/new-view.ts';
import { viewChangeBody } from '#lib/ledger/pbft/messages/view-change.ts';
import { decodeRecord, type LogRecord } from '#lib/ledger/pbft/records.ts';

/** One signed message of a key: where a correct key says one thing only, and what it said there. */
export interface Saying {
  readonly type: 'pre-prepare' | 'prepare' | 'commit' | 'seal' | 'view-change' | 'new-view';
  readonly epoch: number;
  /** 0 of a SEAL: it names none. */
  readonly view: number;
  /** 0 of a view change. */
  readonly sequence: number;
  readonly replica: number;
  readonly what: string;
}

export const placeOf = ({ type, epoch, view, sequence }: Saying): string =>
  `${type} e${epoch} v${view} #${sequence}`;

/** What a message signs by its sender; null: nothing, or it is passed on for another. */
export function sayingOf(message: Message): Saying | null {
  switch (message.type) {
    case 'pre-prepare': {
      const { epoch, view, sequence, replica, digest } = message.vote;
      return { type: 'pre-prepare', epoch, view, sequence, replica, what: toHex(digest) };
    }
    case 'prepare':
    case 'commit': {
      const { type, epoch, view, sequence, replica, digest } = message;
      return { type, epoch, view, sequence, replica, what: toHex(digest) };
    }
    case 'seal': {
      const { epoch, sequence, replica, headerHash } = message;
      return { type: 'seal', epoch, view: 0, sequence, replica, what: toHex(headerHash) };
    }
    case 'view-change': {
      const { epoch, view, replica } = message;
      const what = toHex(nodeSha256(viewChangeBody(message)));
      return { type: 'view-change', epoch, view, sequence: 0, replica, what };
    }
    case 'new-view': {
      const { epoch, view, replica } = message;
      const what = toHex(nodeSha256(newViewBody(message)));
      return { type: 'new-view', epoch, view, sequence: 0, replica, what };
    }
    default:
      return null;
  }
}

/** What a disk's records say that their key has signed. */
export function sayingsOnDisk(records: readonly { readonly bytes: Uint8Array }[]): {
  readonly places: ReadonlySet<string>;
  /** Sequence of the last `stable` record: votes up to it are history. */
  readonly stable: number;
  readonly epoch: number;
} {
  const places = new Set<string>();
  let stable = 0;
  let epoch = 0;
  const add = (type: Saying['type'], at: Omit<Saying, 'type' | 'what' | 'replica'>): void => {
    places.add(placeOf({ ...at, type, replica: 0, what: '' }));
    epoch = Math.max(epoch, at.epoch);
  };
  for (const { bytes } of records) {
    const record = decodeRecord(bytes);
    if (isFault(record)) continue;
    read(record);
  }
  return { places, stable, epoch };

  function read(record: LogRecord): void {
    switch (record.type) {
      case 'propose':
        add('pre-prepare', record.message.vote);
        return;
      case 'prepare':
        add('prepare', record.message.vote);
        return;
      case 'commit':
        add('commit', record.certificate);
        return;
      case 'view-change':
        add('view-change', { ...record.message, sequence: 0 });
        return;
      case 'new-view': {
        const { message } = record;
        add('new-view', { ...message, sequence: 0 });
        // What it carries are its primary's proposals.
        for (const [i] of message.carried.entries())
          add('pre-prepare', { ...message, sequence: message.minSequence + 1 + i });
        return;
      }
      case 'stable':
        stable = Math.max(stable, record.certificate.sequence);
        epoch = Math.max(epoch, record.epoch);
        return;
      case 'amnesia':
      case 'checkpoint':
      case 'batch':
        return;
      default:
        unreachable(record);
    }
  }
}
