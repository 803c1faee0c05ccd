import { formatCount, formatLayers, formatMs, formatRate, shortId } from '#components/ui/format.ts';
import { factsOf, type AnswerState, type Mark } from '../answer/state.ts';

/** Under each answer: speed, who served it, and what happened on the way. Keeps its height. */
export function AnswerFacts({ answer }: { answer: AnswerState }) {
  const { ttftMs, tokensPerSecond, tokens } = factsOf(answer);
  const facts = [
    tokensPerSecond === null ? null : `${formatRate(tokensPerSecond)} tokens/s`,
    ttftMs === null ? null : `first token ${formatMs(ttftMs)}`,
    tokens === 0 ? null : formatCount(tokens, 'token'),
  ].filter((fact) => fact !== null);
  return (
    <div className="min-h-6 text-sm text-soft">
      {answer.marks.map((mark) => (
        <p key={`${mark.type}-${String(mark.at)}`} data-mark={mark.type} className="text-warn">
          {describeMark(mark)}
        </p>
      ))}
      <div className="flex flex-wrap gap-x-3 tabular-nums">
        {facts.length > 0 && <span data-facts>{facts.join(' · ')}</span>}
        {answer.route.length > 0 && <Route answer={answer} />}
      </div>
    </div>
  );
}

const describeMark = ({ type, at }: Mark): string =>
  type === 'moved'
    ? `One helper left: continued on another node at token ${String(at)}.`
    : `The server had forgotten this answer: resumed at token ${String(at)}.`;

function Route({ answer }: { answer: AnswerState }) {
  return (
    <details className="min-w-0">
      <summary className="underline decoration-line underline-offset-4 hover:text-ink">
        served by {formatCount(new Set(answer.route.map(({ node }) => node)).size, 'node')}
      </summary>
      <ol className="mt-1 space-y-0.5" data-route>
        {answer.route.map((place, index) => (
          <li key={index}>
            <code className="font-mono">{shortId(place.node)}</code>{' '}
            {formatLayers(place.first_layer, place.last_layer)} ·{' '}
            {place.kind === 'tab' ? 'browser tab' : 'node process'}
            {place.path === 'relay' && ' · by relay'}
          </li>
        ))}
      </ol>
    </details>
  );
}
