import { Dexie, liveQuery, type EntityTable } from 'dexie';
import { hasEnded } from '../answer/state.ts';
import {
  DEFAULT_SETTINGS,
  type AnswerMessage,
  type ChatSettings,
  type Conversation,
  type Message,
} from './model.ts';

/** Conversations of this browser. Everything rejects where the browser keeps nothing. */
export interface ChatDb {
  /** Newest first, at once and after every change, of other tabs too. */
  watchConversations(
    onList: (list: readonly Conversation[]) => void,
    onError: (error: unknown) => void,
  ): () => void;
  messages(conversationId: string): Promise<Message[]>;
  /** Conversations with an answer that has not ended. */
  unfinished(): Promise<string[]>;
  /** Changes what is there; does not bring back what was deleted. */
  updateConversation(id: string, change: Partial<Conversation>): Promise<void>;
  removeConversation(id: string): Promise<void>;
  /** In one transaction: messages from `fromSeq` on are replaced, and the conversation is made or changed. */
  replaceMessages(
    conversation: Conversation | Pick<Conversation, 'id' | 'updatedAt'>,
    fromSeq: number,
    messages: readonly Message[],
  ): Promise<void>;
  /** Text, ids and index change together; a deleted message stays deleted. */
  saveAnswer(message: AnswerMessage): Promise<void>;
  settings(): Promise<ChatSettings>;
  saveSettings(settings: ChatSettings): Promise<void>;
}

/** `open` is an index: 1 while the answer runs. */
type StoredMessage = Message & { readonly open: 0 | 1 };

const stored = (message: Message): StoredMessage => ({
  ...message,
  open: message.role === 'assistant' && !hasEnded(message.answer) ? 1 : 0,
});

const SETTINGS_KEY = 'settings';

/**
 * Runs writes in the order in which they were asked for. Dexie promises that only among
 * transactions that have begun: while the store opens, an answer could overtake its own message.
 */
function inOrder(): (work: () => PromiseLike<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}

export function openChatDb(name = 'declai-chat'): ChatDb {
  const db = new Dexie(name) as Dexie & {
    conversations: EntityTable<Conversation, 'id'>;
    messages: EntityTable<StoredMessage, 'id'>;
    settings: EntityTable<{ key: string; value: ChatSettings }, 'key'>;
  };
  db.version(1).stores({
    conversations: 'id, updatedAt',
    messages: 'id, [conversationId+seq], open',
    settings: 'key',
  });
  const write = inOrder();
  const from = (conversationId: string, seq: number) =>
    db.messages
      .where('[conversationId+seq]')
      .between([conversationId, seq], [conversationId, Dexie.maxKey]);

  return {
    watchConversations(onList, onError) {
      const query = () => db.conversations.orderBy('updatedAt').reverse().toArray();
      const watch = liveQuery(query).subscribe({ next: onList, error: onError });
      return () => watch.unsubscribe();
    },
    messages: (conversationId) => from(conversationId, 0).toArray(),
    async unfinished() {
      const open = await db.messages.where('open').equals(1).toArray();
      return [...new Set(open.map(({ conversationId }) => conversationId))];
    },
    updateConversation: (id, change) =>
      write(async () => {
        await db.conversations.update(id, change);
      }),
    removeConversation: (id) =>
      write(() =>
        db.transaction('rw', db.conversations, db.messages, async () => {
          await db.conversations.delete(id);
          await from(id, 0).delete();
        }),
      ),
    replaceMessages: (conversation, fromSeq, messages) =>
      write(() =>
        db.transaction('rw', db.conversations, db.messages, async () => {
          if ('title' in conversation) await db.conversations.put(conversation);
          else await db.conversations.update(conversation.id, conversation);
          await from(conversation.id, fromSeq).delete();
          await db.messages.bulkPut(messages.map(stored));
        }),
      ),
    saveAnswer: (message) =>
      write(async () => {
        const { answer, open } = stored(message) as StoredMessage & AnswerMessage;
        await db.messages
          .where('id')
          .equals(message.id)
          .modify({ answer, open } as object);
      }),
    async settings() {
      const row = await db.settings.get(SETTINGS_KEY);
      return { ...DEFAULT_SETTINGS, ...row?.value };
    },
    saveSettings: (value) =>
      write(async () => {
        await db.settings.put({ key: SETTINGS_KEY, value });
      }),
  };
}
