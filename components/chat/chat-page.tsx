'use client';
import { useState } from 'react';
import { useModels } from '#components/site/use-network.ts';
import { IconButton } from '#components/ui/button.tsx';
import { Drawer } from '#components/ui/drawer.tsx';
import { Icon } from '#components/ui/icons.tsx';
import { useReadable } from '#components/ui/use-readable.ts';
import { useChat } from './view/chat-context.ts';
import { Composer } from './view/composer.tsx';
import { ConversationList } from './view/conversation-list.tsx';
import { EmptyState } from './view/empty-state.tsx';
import { SettingsForm } from './view/settings-form.tsx';
import { ThreadList } from './view/thread-view.tsx';
import { openConversation, useOpenConversation } from './view/use-place.ts';
import { lastAnswerOf, useThread } from './view/use-thread.ts';

type Panel = 'none' | 'conversations' | 'settings';

/** The chat: conversations at the side (a drawer on phones), the thread, the composer. */
export function ChatPage() {
  const chat = useChat();
  const openId = useOpenConversation();
  const thread = useThread(openId);
  const model = useCurrentModel();
  const [panel, setPanel] = useState<Panel>('none');
  const { answer, running } = lastAnswerOf(thread);
  const empty = thread.status === 'ready' && thread.messages.length === 0;
  const ask = (text: string) => {
    if (model === null) return;
    // An id that names nothing (deleted, or another browser's) begins a chat of its own.
    const id = chat.ask({ into: empty ? null : openId, text, model });
    if (id !== openId) openConversation(id);
  };
  const close = () => setPanel('none');
  return (
    <div className="flex min-h-0 flex-1">
      <aside className="hidden w-72 shrink-0 border-r border-line bg-sunken p-4 lg:block">
        <ConversationList openId={openId} onPick={close} />
      </aside>
      <main className="flex min-w-0 flex-1 flex-col">
        <div className="flex items-center justify-between px-2 lg:justify-end">
          <IconButton label="Chats" className="lg:hidden" onClick={() => setPanel('conversations')}>
            <Icon name="menu" />
          </IconButton>
          <IconButton label="Settings" onClick={() => setPanel('settings')}>
            <Icon name="settings" />
          </IconButton>
        </div>
        {empty ? (
          <EmptyState ready={model !== null} onAsk={ask} />
        ) : (
          <ThreadList key={openId} thread={thread} />
        )}
        <Composer
          ready={model !== null}
          onStop={running && answer ? () => chat.stop(answer.id) : null}
          onSend={ask}
        />
      </main>
      <Drawer side="left" title="Chats" open={panel === 'conversations'} onClose={close}>
        <ConversationList openId={openId} onPick={close} />
      </Drawer>
      <Drawer side="right" title="Settings" open={panel === 'settings'} onClose={close}>
        <SettingsForm />
      </Drawer>
    </div>
  );
}

/** The chosen model where the server still offers it, else the first. Null until it has answered and the settings are read. */
function useCurrentModel(): string | null {
  const settings = useReadable(useChat().settings, null);
  const offered = useModels().data?.data ?? [];
  if (settings === null) return null;
  return offered.find(({ id }) => id === settings.model)?.id ?? offered[0]?.id ?? null;
}
