import type { Readable } from '#components/ui/cell.ts';
import { hasEnded } from '../answer/state.ts';
import type { ChatDb } from './chat-db.ts';
import type { Conversations } from './conversations.ts';
import type { Message } from './model.ts';
import type { Runs } from './runs.ts';
import { createThread, type Thread, type ThreadView } from './thread.ts';
import type { ChatWorld } from './world.ts';

/** The threads that this page has seen, each loaded once. */
export interface ThreadBook {
  /** Loads the thread when it is first watched. */
  readonly view: (id: string) => Readable<ThreadView>;
  messages(id: string): readonly Message[];
  find(id: string, messageId: string): Message | undefined;
  /** A thread that is not in the store yet: there is nothing to load. */
  begin(id: string): void;
  /** Reads it from the store and reads its unfinished answers on. */
  readonly load: (id: string) => void;
  /** Keeps what stands before `seq`, adds `added`, and starts the answer among them once they are kept. */
  continueWith(
    conversation: Parameters<ChatDb['replaceMessages']>[0],
    seq: number,
    added: readonly Message[],
  ): void;
  /** Stops its answers and forgets it. */
  drop(id: string): void;
}

interface Entry {
  readonly thread: Thread;
  readonly view: Readable<ThreadView>;
  loaded: boolean;
}

export function createThreadBook(
  world: ChatWorld,
  runs: Runs,
  conversations: Conversations,
): ThreadBook {
  const entries = new Map<string, Entry>();

  const entryOf = (id: string): Entry => {
    const known = entries.get(id);
    if (known) return known;
    const thread = createThread(world.requestFrame);
    const subscribe = (onChange: () => void) => {
      load(id);
      return thread.view.subscribe(onChange);
    };
    const view = { subscribe, getSnapshot: thread.view.getSnapshot };
    const entry = { thread, view, loaded: false };
    entries.set(id, entry);
    return entry;
  };

  const show = (thread: Thread, messages: readonly Message[]): void => {
    thread.replace(messages);
    for (const message of messages) {
      const open = message.role === 'assistant' && !hasEnded(message.answer);
      if (open) runs.begin(thread, message);
    }
  };

  const load = (id: string): void => {
    const entry = entryOf(id);
    if (entry.loaded) return;
    entry.loaded = true;
    void world.db.messages(id).then(
      (messages) => show(entry.thread, messages),
      () => entry.thread.replace([]),
    );
  };

  return {
    view: (id) => entryOf(id).view,
    messages: (id) => entryOf(id).thread.messages(),
    find: (id, messageId) =>
      entryOf(id)
        .thread.messages()
        .find((one) => one.id === messageId),
    begin(id) {
      entryOf(id).loaded = true;
    },
    load,
    continueWith(conversation, seq, added) {
      const { thread } = entryOf(conversation.id);
      for (const message of thread.messages()) if (message.seq >= seq) runs.stop(message.id);
      thread.replace([...thread.messages().filter((message) => message.seq < seq), ...added]);
      const kept = world.db.replaceMessages(conversation, seq, added);
      conversations.keep(kept);
      for (const message of added)
        if (message.role === 'assistant') runs.begin(thread, message, kept);
    },
    drop(id) {
      for (const message of entryOf(id).thread.messages()) runs.stop(message.id);
      entries.delete(id);
    },
  };
}
