import type { Readable } from '#components/ui/cell.ts';
import { applyRetried } from '../answer/apply.ts';
import { newAnswer } from '../answer/state.ts';
import {
  DEFAULT_SETTINGS,
  titleOf,
  type AnswerMessage,
  type ChatSettings,
  type Conversation,
  type UserMessage,
} from './model.ts';
import type { ThreadBook } from './thread-book.ts';
import type { ChatWorld } from './world.ts';

/** Everything that starts an answer. What names nothing does nothing. */
export interface Asking {
  /** Adds a prompt and starts its answer; makes the conversation where `into` is null. */
  ask(prompt: { into: string | null; text: string; model: string }): string;
  /** Replaces a prompt and everything after it. */
  resend(conversationId: string, messageId: string, text: string): void;
  /** A new answer in the place of this one and everything after it. */
  regenerate(conversationId: string, messageId: string): void;
  /** A failed answer goes on where it stopped. */
  retry(conversationId: string, messageId: string): void;
}

export interface AskingParts {
  readonly book: ThreadBook;
  readonly settings: Readable<ChatSettings | null>;
}

export function createAsking(world: ChatWorld, parts: AskingParts): Asking {
  const { book, settings } = parts;

  const answerAt = (conversationId: string, seq: number, model: string): AnswerMessage => ({
    id: world.newId(),
    conversationId,
    seq,
    role: 'assistant',
    settings: settings.getSnapshot() ?? DEFAULT_SETTINGS,
    answer: newAnswer(model, world.newSeed(), world.clock()),
  });

  const begin = (text: string): Conversation => {
    const now = world.clock();
    const conversation = {
      id: world.newId(),
      title: titleOf(text),
      createdAt: now,
      updatedAt: now,
    };
    book.begin(conversation.id);
    return conversation;
  };
  const changed = (id: string) => ({ id, updatedAt: world.clock() });

  return {
    ask({ into, text, model }) {
      const conversation = into === null ? begin(text) : changed(into);
      const { id } = conversation;
      const seq = (book.messages(id).at(-1)?.seq ?? -1) + 1;
      const prompt: UserMessage = {
        id: world.newId(),
        conversationId: id,
        seq,
        role: 'user',
        text,
      };
      book.continueWith(conversation, seq, [prompt, answerAt(id, seq + 1, model)]);
      return id;
    },
    resend(id, messageId, text) {
      const prompt = book.find(id, messageId);
      const last = book.messages(id).findLast((message) => message.role === 'assistant');
      if (prompt?.role !== 'user' || !last) return;
      const answer = answerAt(id, prompt.seq + 1, last.answer.model);
      book.continueWith(changed(id), prompt.seq, [{ ...prompt, text }, answer]);
    },
    regenerate(id, messageId) {
      const old = book.find(id, messageId);
      if (old?.role !== 'assistant') return;
      book.continueWith(changed(id), old.seq, [answerAt(id, old.seq, old.answer.model)]);
    },
    retry(id, messageId) {
      const old = book.find(id, messageId);
      if (old?.role !== 'assistant' || old.answer.phase.type !== 'failed') return;
      const answer = applyRetried(old.answer, world.clock());
      book.continueWith(changed(id), old.seq, [{ ...old, answer }]);
    },
  };
}
