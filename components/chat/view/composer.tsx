'use client';
import { useEffect, useState, type KeyboardEvent } from 'react';
import { reasonText } from '#lib/kernel/reasons.ts';
import { IconButton } from '#components/ui/button.tsx';
import { Icon, StopIcon } from '#components/ui/icons.tsx';
import { CHAT } from '../limits.ts';

interface ComposerProps {
  /** Null while an answer may be asked for; else stops the one that runs. */
  readonly onStop: (() => void) | null;
  /** False while no model is known: the server has not answered yet. What is sent then waits. */
  readonly ready: boolean;
  readonly onSend: (text: string) => void;
}

/** For browsers that do not size a field by its content. */
const ROWS_MAX = 7;

/** Where a prompt is written. Enter sends, Shift+Enter breaks the line. */
export function Composer({ onStop, ready, onSend }: ComposerProps) {
  const [draft, setDraft] = useState('');
  /** Sent before the server had answered: goes out as soon as it has. */
  const [waiting, setWaiting] = useState(false);
  const sendable = onStop === null && draft.trim() !== '';
  const send = () => {
    setWaiting(sendable && !ready);
    if (!sendable || !ready) return;
    onSend(draft.trim());
    setDraft('');
  };
  useEffect(() => {
    if (waiting && ready) send();
  });
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method composes a word, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      className="mx-auto w-full max-w-3xl px-4 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-6"
    >
      <div className="flex items-end gap-1 rounded-2xl border border-line bg-raised p-1.5 shadow-sm focus-within:border-accent">
        <textarea
          aria-label="Your message"
          aria-describedby="composer-note"
          placeholder="Ask the tabs …"
          value={draft}
          rows={Math.min(ROWS_MAX, draft.split('\n').length)}
          maxLength={CHAT.promptCharsMax}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
          className="field-sizing-content max-h-48 min-h-11 flex-1 resize-none bg-transparent px-3 py-2.5 outline-none placeholder:text-soft"
        />
        {onStop ? (
          <IconButton key="stop" label="Stop" look="plain" onClick={onStop}>
            <StopIcon />
          </IconButton>
        ) : (
          <IconButton key="send" label="Send" look="primary" type="submit" disabled={!sendable}>
            <Icon name="send" />
          </IconButton>
        )}
      </div>
      <p id="composer-note" className="mt-1.5 text-center text-sm text-soft">
        {waiting ? 'Goes out as soon as the server answers …' : reasonText('trust.public')}
      </p>
    </form>
  );
}
