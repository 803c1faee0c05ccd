'use client';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { createBrowserChat } from '#components/chat/store/browser.ts';
import { ChatContext } from '#components/chat/view/chat-context.ts';
import { createBrowserVolunteer } from '#components/volunteer/browser.ts';
import { VolunteerContext } from '#components/volunteer/volunteer-context.ts';

/**
 * Stable objects, made once a page: they outlive every move between places, so an answer goes on
 * and a volunteer keeps serving while the person looks elsewhere.
 */
export function Providers({ children }: { children: ReactNode }) {
  const [queries] = useState(() => new QueryClient());
  const [chat] = useState(createBrowserChat);
  const [volunteer] = useState(createBrowserVolunteer);
  useEffect(() => {
    chat.start();
    volunteer.open();
    const leave = () => {
      chat.flush();
      volunteer.leave();
    };
    addEventListener('pagehide', leave);
    return () => removeEventListener('pagehide', leave);
  }, [chat, volunteer]);
  return (
    <QueryClientProvider client={queries}>
      <ChatContext value={chat}>
        <VolunteerContext value={volunteer}>{children}</VolunteerContext>
      </ChatContext>
    </QueryClientProvider>
  );
}
