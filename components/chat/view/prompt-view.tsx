'use client';
import { memo, useState } from 'react';
import { Button, IconButton } from '#components/ui/button.tsx';
import { CopyButton } from '#components/ui/copy-button.tsx';
import { Icon } from '#components/ui/icons.tsx';
import { CHAT } from '../limits.ts';
import type { UserMessage } from '../store/model.ts';
import { useChat } from './chat-context.ts';

/** One prompt. Edit and resend replaces everything after it. */
export const PromptView = memo(function PromptView({ message }: { message: UserMessage }) {
  const chat = useChat();
  const [editing, setEditing] = useState(false);
  if (editing) {
    return (
      <PromptEditor
        text={message.text}
        onCancel={() => setEditing(false)}
        onSend={(text) => {
          setEditing(false);
          chat.resend(message.conversationId, message.id, text);
        }}
      />
    );
  }
  return (
    <article aria-label="You" className="group flex flex-col items-end">
      <p className="max-w-[88%] rounded-2xl rounded-br-md bg-accent-wash px-4 py-2.5 whitespace-pre-wrap">
        {message.text}
      </p>
      <div className="-mr-2 flex opacity-60 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100">
        <CopyButton text={message.text} label="Copy message" />
        <IconButton label="Edit and resend" onClick={() => setEditing(true)}>
          <Icon name="edit" />
        </IconButton>
      </div>
    </article>
  );
});

interface EditorProps {
  readonly text: string;
  readonly onSend: (text: string) => void;
  readonly onCancel: () => void;
}

function PromptEditor({ text, onSend, onCancel }: EditorProps) {
  const [draft, setDraft] = useState(text);
  const empty = draft.trim() === '';
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!empty) onSend(draft.trim());
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onCancel();
      }}
    >
      <textarea
        autoFocus
        aria-label="Edit your message"
        value={draft}
        rows={Math.min(10, draft.split('\n').length + 1)}
        maxLength={CHAT.promptCharsMax}
        onChange={(event) => setDraft(event.target.value)}
        className="w-full resize-y rounded-2xl border border-line bg-raised p-4"
      />
      <div className="mt-2 flex justify-end gap-2">
        <Button look="quiet" onClick={onCancel}>
          Cancel
        </Button>
        <Button look="primary" type="submit" disabled={empty}>
          Send
        </Button>
      </div>
      <p className="mt-1 text-right text-sm text-soft">Later messages are replaced.</p>
    </form>
  );
}
