import { runAnswer, type AnswerRun } from '../answer/run.ts';
import { hasEnded } from '../answer/state.ts';
import { CHAT } from '../limits.ts';
import { turnsBefore, type AnswerMessage } from './model.ts';
import { createSaver, type Saver } from './saver.ts';
import type { Thread } from './thread.ts';
import type { ChatWorld } from './world.ts';

/** Answers on their way, by message. */
export interface Runs {
  /** @param kept settles when its prompt is kept, or cannot be: then it is asked for. */
  begin(thread: Thread, message: AnswerMessage, kept?: Promise<void>): void;
  /** The reader's Stop; nothing where the answer has ended. */
  readonly stop: (messageId: string) => void;
  readonly flush: () => void;
}

export function createRuns(world: ChatWorld, keep: (write: Promise<void>) => void): Runs {
  const running = new Map<string, { run: AnswerRun; saver: Saver<AnswerMessage> }>();
  return {
    begin(thread, message, kept) {
      const { settings } = message;
      const turns = turnsBefore(thread.messages(), message.seq, settings.systemPrompt);
      const saver = createSaver<AnswerMessage>(
        (newest) => keep(world.db.saveAnswer(newest)),
        CHAT.saveEveryMs,
      );
      let answerId = message.answer.answerId;
      const run = runAnswer(
        world,
        {
          ask: { turns, settings, cacheKey: message.conversationId },
          answer: message.answer,
          kept,
        },
        (answer) => {
          const changed = thread.setAnswer(message.id, answer);
          if (!changed) return;
          saver.offer(changed);
          // The id is what a reload reads on from: it must not wait.
          if (hasEnded(answer) || answer.answerId !== answerId) saver.flush();
          answerId = answer.answerId;
        },
      );
      running.set(message.id, { run, saver });
      void run.ended.then(() => {
        if (running.get(message.id)?.run === run) running.delete(message.id);
      });
    },
    stop(messageId) {
      running.get(messageId)?.run.stop();
    },
    flush() {
      for (const { saver } of running.values()) saver.flush();
    },
  };
}
