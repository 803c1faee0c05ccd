import { createCell, type Readable } from '#components/ui/cell.ts';
import { createAsking, type Asking } from './asking.ts';
import { createConversations, type Conversations } from './conversations.ts';
import { DEFAULT_SETTINGS, type ChatSettings } from './model.ts';
import { createRuns } from './runs.ts';
import { createThreadBook } from './thread-book.ts';
import type { ThreadView } from './thread.ts';
import type { ChatWorld } from './world.ts';

/** The chat page's runtime, outside React: conversations, answers on their way, settings. */
export interface ChatStore extends Asking {
  readonly conversations: Conversations;
  /** Null until they are read: an answer must not start with others than the person's. */
  readonly settings: Readable<ChatSettings | null>;
  saveSettings(settings: ChatSettings): void;
  /** Loaded when it is first watched; its unfinished answers are read on then. */
  thread(conversationId: string): Readable<ThreadView>;
  stop(messageId: string): void;
  rename(conversationId: string, title: string): void;
  remove(conversationId: string): void;
  /** Reads on what a reload interrupted, in every conversation. Call once, in the browser. */
  start(): void;
  /** `pagehide`: writes what waits. */
  flush(): void;
}

export function createChatStore(world: ChatWorld): ChatStore {
  const { db } = world;
  const conversations = createConversations(db);
  const settings = createCell<ChatSettings | null>(null);
  const runs = createRuns(world, conversations.keep);
  const book = createThreadBook(world, runs, conversations);
  /** What was changed before the kept ones were read is newer. */
  const adopt = (kept: ChatSettings): void => settings.set(settings.getSnapshot() ?? kept);
  const change = (id: string, title: string): void =>
    conversations.keep(db.updateConversation(id, { title }));
  return {
    ...createAsking(world, { book, settings }),
    conversations,
    settings,
    saveSettings(next) {
      settings.set(next);
      conversations.keep(db.saveSettings(next));
    },
    thread: book.view,
    stop: runs.stop,
    rename(id, title) {
      if (title.trim() !== '') change(id, title.trim());
    },
    remove(id) {
      book.drop(id);
      conversations.keep(db.removeConversation(id));
    },
    start() {
      conversations.start();
      const read = db.settings().then(adopt);
      // Where the browser keeps nothing, `conversations` says so, before anything is written.
      conversations.keep(read);
      void read.catch(() => adopt(DEFAULT_SETTINGS));
      void db.unfinished().then(
        (ids) => ids.forEach(book.load),
        () => undefined,
      );
    },
    flush: runs.flush,
  };
}
