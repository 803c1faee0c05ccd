'use client';
import { memo } from 'react';
import { IconButton } from '#components/ui/button.tsx';
import { CopyButton } from '#components/ui/copy-button.tsx';
import { Icon } from '#components/ui/icons.tsx';
import { hasEnded, type AnswerPhase } from '../answer/state.ts';
import type { AnswerMessage } from '../store/model.ts';
import { AnswerFacts } from './answer-facts.tsx';
import { useChat } from './chat-context.ts';
import { FailureCard } from './failure-card.tsx';
import { Markdown } from './markdown.tsx';

/** One answer: its text as it comes, how it went, and what can be done with it. */
export const AnswerView = memo(function AnswerView({
  message,
  last,
}: {
  message: AnswerMessage;
  last: boolean;
}) {
  const chat = useChat();
  const { answer, conversationId, id } = message;
  const ended = hasEnded(answer);
  return (
    <article aria-label="Answer" aria-busy={!ended} data-answer={answer.phase.type}>
      {answer.text === '' ? <Waiting phase={answer.phase} /> : <Markdown text={answer.text} />}
      {answer.phase.type === 'failed' && (
        <div className="mt-3">
          <FailureCard
            failure={answer.phase.failure}
            onRetry={() => chat.retry(conversationId, id)}
          />
        </div>
      )}
      <div className="mt-2 flex min-h-11 flex-wrap items-start justify-between gap-x-4">
        <div className="min-w-0 py-2">
          <Ending phase={answer.phase} hasText={answer.text !== ''} />
          <AnswerFacts answer={answer} />
        </div>
        {ended && answer.text !== '' && (
          <div className="-mr-2 flex">
            <CopyButton text={answer.text} label="Copy answer" />
            {last && (
              <IconButton label="Regenerate" onClick={() => chat.regenerate(conversationId, id)}>
                <Icon name="again" />
              </IconButton>
            )}
          </div>
        )}
      </div>
    </article>
  );
});

function Waiting({ phase }: { phase: AnswerPhase }) {
  if (phase.type === 'failed') return null;
  if (phase.type === 'stopped') return <p className="text-soft">Stopped before the first word.</p>;
  if (phase.type === 'done') return <p className="text-soft">The model answered with nothing.</p>;
  return (
    <p className="flex items-center gap-2 text-soft">
      <span className="breathe size-2.5 rounded-full bg-accent" />
      {phase.type === 'reconnecting' ? 'Reconnecting …' : 'Reading your words …'}
    </p>
  );
}

/** How the text ended, where it is not simply whole. */
function Ending({ phase, hasText }: { phase: AnswerPhase; hasText: boolean }) {
  if (!hasText) return null;
  if (phase.type === 'stopped') return <p className="text-sm text-soft">Stopped by you.</p>;
  if (phase.type === 'reconnecting') return <p className="text-sm text-warn">Reconnecting …</p>;
  if (phase.type === 'done' && phase.finish === 'length') {
    return <p className="text-sm text-soft">Cut at the longest answer that was allowed.</p>;
  }
  return null;
}
