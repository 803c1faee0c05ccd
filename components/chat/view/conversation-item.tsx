'use client';
import { useState } from 'react';
import { IconButton } from '#components/ui/button.tsx';
import { classes } from '#components/ui/classes.ts';
import { Icon } from '#components/ui/icons.tsx';
import type { Conversation } from '../store/model.ts';
import { useChat } from './chat-context.ts';

interface ItemProps {
  readonly conversation: Conversation;
  readonly open: boolean;
  readonly onOpen: () => void;
  readonly onRemoved: () => void;
}

/** One conversation; the open one can be renamed and deleted. */
export function ConversationItem({ conversation, open, onOpen, onRemoved }: ItemProps) {
  const chat = useChat();
  const [mode, setMode] = useState<'shown' | 'renaming' | 'removing'>('shown');
  const { id, title } = conversation;
  if (mode === 'renaming') {
    return (
      <li>
        <RenameForm
          title={title}
          onDone={(next) => {
            if (next !== null) chat.rename(id, next);
            setMode('shown');
          }}
        />
      </li>
    );
  }
  return (
    <li
      className={classes(
        'flex items-center rounded-xl',
        open ? 'bg-accent-wash' : 'hover:bg-sunken',
      )}
    >
      <button
        type="button"
        aria-current={open ? 'true' : undefined}
        onClick={onOpen}
        title={title}
        className="min-h-11 min-w-0 flex-1 truncate px-3 text-left text-[0.95rem]"
      >
        {mode === 'removing' ? 'Delete this chat?' : title}
      </button>
      {open && mode === 'shown' && (
        <>
          <IconButton label="Rename chat" onClick={() => setMode('renaming')}>
            <Icon name="edit" className="size-4" />
          </IconButton>
          <IconButton label="Delete chat" className="-ml-2" onClick={() => setMode('removing')}>
            <Icon name="trash" className="size-4" />
          </IconButton>
        </>
      )}
      {mode === 'removing' && (
        <>
          <IconButton label="Keep chat" onClick={() => setMode('shown')}>
            <Icon name="close" className="size-4" />
          </IconButton>
          <IconButton
            label="Yes, delete chat"
            className="-ml-2 text-bad"
            onClick={() => {
              chat.remove(id);
              onRemoved();
            }}
          >
            <Icon name="check" className="size-4" />
          </IconButton>
        </>
      )}
    </li>
  );
}

/** Enter and leaving the field keep the new title, Escape the old. */
function RenameForm({ title, onDone }: { title: string; onDone: (next: string | null) => void }) {
  const [draft, setDraft] = useState(title);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onDone(draft);
      }}
    >
      <input
        autoFocus
        aria-label="Title of the chat"
        value={draft}
        maxLength={200}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => onDone(draft)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          // Else Escape would close the drawer around this form, too.
          event.preventDefault();
          onDone(null);
        }}
        className="min-h-11 w-full rounded-xl border border-line bg-raised px-3"
      />
    </form>
  );
}
