import { createCell, type Readable } from '#components/ui/cell.ts';
import type { ChatDb } from './chat-db.ts';
import type { Conversation } from './model.ts';

export interface ConversationsView {
  readonly status: 'loading' | 'ready' | 'unkept';
  readonly list: readonly Conversation[];
}

export const CONVERSATIONS_LOADING: ConversationsView = { status: 'loading', list: [] };

/** The list at the side. `unkept`: this browser stores nothing; chats last as long as the page. */
export interface Conversations extends Readable<ConversationsView> {
  start(): void;
  /** Notes that a write failed; nobody waits for writes. */
  readonly keep: (write: Promise<void>) => void;
}

export function createConversations(db: ChatDb): Conversations {
  const view = createCell(CONVERSATIONS_LOADING);
  const lose = (): void => view.set({ ...view.getSnapshot(), status: 'unkept' });
  let started = false;
  return {
    subscribe: view.subscribe,
    getSnapshot: view.getSnapshot,
    start() {
      if (started) return;
      started = true;
      db.watchConversations((list) => view.set({ status: 'ready', list }), lose);
    },
    keep(write) {
      void write.catch(lose);
    },
  };
}
