import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { toHex } from '#lib/kernel/bytes.ts';

const short = (bytes: Uint8Array): string => toHex(bytes.subarray(0, 3));

/** One message as a few words of a trace. */
export function describe(message: Message): string {
  switch (message.type) {
    case 'pre-prepare': {
      const { epoch, view, sequence, digest } = message.vote;
      return `pre-prepare e${epoch} v${view} #${sequence} ${short(digest)}`;
    }
    case 'prepare':
    case 'commit': {
      const { type, epoch, view, sequence, digest } = message;
      return `${type} e${epoch} v${view} #${sequence} ${short(digest)}`;
    }
    case 'seal':
      return `seal e${message.epoch} #${message.sequence} ${short(message.headerHash)}`;
    case 'view-change': {
      const { epoch, view, checkpoint, prepared } = message;
      const slots = prepared.map((each) => `#${each.sequence}v${each.view}`).join(' ');
      return `view-change e${epoch} v${view} from #${checkpoint.sequence} ${slots}`;
    }
    case 'new-view': {
      const { epoch, view, minSequence, carried, viewChanges } = message;
      const of = viewChanges.map(({ replica }) => replica).join(',');
      return `new-view e${epoch} v${view} from #${minSequence} +${carried.length} of ${of}`;
    }
    case 'status': {
      const { epoch, view, isChanging, executed, stable } = message;
      return `status e${epoch} v${view}${isChanging ? '?' : ''} #${executed} stable #${stable}`;
    }
    case 'state':
      return `state e${message.header.epoch} #${message.header.sequence}`;
    case 'fetch-parts':
      return `fetch-parts #${message.sequence} from ${message.from}`;
    case 'parts':
      return `parts #${message.sequence} from ${message.from} +${message.parts.length}`;
    case 'fetch-state':
      return `fetch-state e${message.epoch} above #${message.above}`;
    case 'fetch':
      return `fetch ${short(message.digest)}`;
    default:
      return message.type;
  }
}
