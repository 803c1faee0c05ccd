'use client';
import { useEffect } from 'react';
import { IconButton } from '#components/ui/button.tsx';
import { Icon } from '#components/ui/icons.tsx';
import type { AnswerPhase } from '../answer/state.ts';
import type { ThreadView } from '../store/thread.ts';
import { AnswerView } from './answer-view.tsx';
import { PromptView } from './prompt-view.tsx';
import { useAutoscroll } from './use-autoscroll.ts';
import { useHidden } from './use-hidden.ts';
import { lastAnswerOf } from './use-thread.ts';

/** The conversation: prompts and answers, the end in sight until the reader scrolls up. */
export function ThreadList({ thread }: { thread: ThreadView }) {
  const { frame, content, following, onScroll, follow } = useAutoscroll();
  const { answer, running } = lastAnswerOf(thread);
  const hidden = useHidden(thread.messages.length);
  const lastId = thread.messages.at(-1)?.id;
  // Whoever sends a message wants to see it, wherever they had scrolled.
  useEffect(follow, [follow, lastId]);
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={frame}
        onScroll={onScroll}
        className="relative h-full overflow-y-auto [scrollbar-gutter:stable_both-edges]"
      >
        <div ref={content} className="mx-auto w-full max-w-3xl px-4 py-6 sm:px-6">
          <h1 className="sr-only">Conversation</h1>
          <ol aria-label="Conversation" className="space-y-5">
            {thread.messages.slice(hidden).map((message) => (
              <li key={message.id}>
                {message.role === 'user' ? (
                  <PromptView message={message} />
                ) : (
                  <AnswerView message={message} last={message === answer} />
                )}
              </li>
            ))}
          </ol>
        </div>
      </div>
      {!following && (
        <IconButton
          label={running ? 'Follow the answer' : 'Go to the end'}
          look="plain"
          onClick={follow}
          className="absolute bottom-3 left-1/2 -translate-x-1/2 shadow-md"
        >
          <Icon name="down" />
        </IconButton>
      )}
      <p role="status" className="sr-only">
        {answer ? SPOKEN[answer.answer.phase.type] : ''}
      </p>
    </div>
  );
}

/** What a screen reader hears: the turns of an answer, not each token. */
const SPOKEN: Readonly<Record<AnswerPhase['type'], string>> = {
  asking: 'Waiting for the answer.',
  streaming: 'The answer is coming.',
  reconnecting: 'Reconnecting.',
  done: 'The answer is complete.',
  stopped: 'Stopped.',
  failed: 'The answer failed.',
};
