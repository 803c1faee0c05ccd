import { createCell, type Readable } from '#components/ui/cell.ts';
import type { AnswerState } from '../answer/state.ts';
import type { AnswerMessage, Message } from './model.ts';

export interface ThreadView {
  readonly status: 'loading' | 'ready';
  readonly messages: readonly Message[];
}

export const THREAD_LOADING: ThreadView = { status: 'loading', messages: [] };

/** Calls `draw` soon, once, however often it is asked for before that: `requestAnimationFrame`. */
export type RequestFrame = (draw: () => void) => void;

/** The messages of one conversation: the newest for the runtime, once a frame for React. */
export interface Thread {
  readonly view: Readable<ThreadView>;
  messages(): readonly Message[];
  /** Replaces all messages; seen at once. */
  replace(messages: readonly Message[]): void;
  /** Takes a streaming answer's state; seen with the next frame. Null where it was removed. */
  setAnswer(id: string, answer: AnswerState): AnswerMessage | null;
}

export function createThread(requestFrame: RequestFrame): Thread {
  const view = createCell<ThreadView>(THREAD_LOADING);
  let messages: readonly Message[] = [];
  let frameAsked = false;
  const publish = (): void => view.set({ status: 'ready', messages });
  return {
    view,
    messages: () => messages,
    replace(next) {
      messages = next;
      publish();
    },
    setAnswer(id, answer) {
      const old = messages.find((message) => message.id === id);
      if (old?.role !== 'assistant') return null;
      const changed = { ...old, answer };
      messages = messages.map((message) => (message === old ? changed : message));
      if (!frameAsked) {
        frameAsked = true;
        requestFrame(() => {
          frameAsked = false;
          publish();
        });
      }
      return changed;
    },
  };
}
