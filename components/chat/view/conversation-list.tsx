'use client';
import { useState } from 'react';
import { Button } from '#components/ui/button.tsx';
import { Icon } from '#components/ui/icons.tsx';
import { useReadable } from '#components/ui/use-readable.ts';
import { CONVERSATIONS_LOADING } from '../store/conversations.ts';
import { useChat } from './chat-context.ts';
import { ConversationItem } from './conversation-item.tsx';
import { openConversation } from './use-place.ts';

/** Below so many, a search is longer than a look. */
const SEARCH_FROM = 6;

/** Conversations of this browser, newest first. `onPick`: something was chosen. */
export function ConversationList({
  openId,
  onPick,
}: {
  openId: string | null;
  onPick: () => void;
}) {
  const { status, list } = useReadable(useChat().conversations, CONVERSATIONS_LOADING);
  const [search, setSearch] = useState('');
  const wanted = search.trim().toLowerCase();
  const shown = list.filter(({ title }) => title.toLowerCase().includes(wanted));
  const open = (id: string | null) => {
    openConversation(id);
    onPick();
  };
  return (
    <div className="flex h-full flex-col gap-3">
      <Button onClick={() => open(null)} className="w-full">
        <Icon name="plus" className="size-4" />
        New chat
      </Button>
      {list.length >= SEARCH_FROM && (
        <input
          type="search"
          aria-label="Search chats"
          placeholder="Search"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          className="min-h-11 rounded-xl border border-line bg-raised px-3 placeholder:text-soft"
        />
      )}
      <ul aria-label="Chats" className="-mx-2 min-h-0 flex-1 space-y-0.5 overflow-y-auto px-2">
        {shown.map((conversation) => (
          <ConversationItem
            key={conversation.id}
            conversation={conversation}
            open={conversation.id === openId}
            onOpen={() => open(conversation.id)}
            onRemoved={() => {
              if (conversation.id === openId) openConversation(null);
            }}
          />
        ))}
      </ul>
      <p className="text-sm text-soft">
        {status === 'unkept'
          ? 'This browser stores nothing: chats last until you close the page.'
          : 'Chats are kept in this browser only.'}
      </p>
    </div>
  );
}
