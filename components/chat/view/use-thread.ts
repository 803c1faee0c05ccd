'use client';
import { useMemo } from 'react';
import type { Readable } from '#components/ui/cell.ts';
import { useReadable } from '#components/ui/use-readable.ts';
import { hasEnded } from '../answer/state.ts';
import type { AnswerMessage } from '../store/model.ts';
import { THREAD_LOADING, type ThreadView } from '../store/thread.ts';
import { useChat } from './chat-context.ts';

const NEW: ThreadView = { status: 'ready', messages: [] };
const NEW_CHAT: Readable<ThreadView> = { subscribe: () => () => undefined, getSnapshot: () => NEW };

/** The messages of the open conversation; of a new one: none. */
export function useThread(id: string | null): ThreadView {
  const chat = useChat();
  const readable = useMemo(() => (id === null ? NEW_CHAT : chat.thread(id)), [chat, id]);
  return useReadable(readable, THREAD_LOADING);
}

/** The answer at the end of the thread, and whether it still comes. */
export function lastAnswerOf({ messages }: ThreadView): {
  readonly answer: AnswerMessage | null;
  readonly running: boolean;
} {
  const last = messages.at(-1);
  if (last?.role !== 'assistant') return { answer: null, running: false };
  return { answer: last, running: !hasEnded(last.answer) };
}
