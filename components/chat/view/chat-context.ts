'use client';
import { createContext, useContext } from 'react';
import { must } from '#lib/kernel/assert.ts';
import type { ChatStore } from '../store/chat-store.ts';

/** The one store of the page, made in `app/providers.tsx`; it never changes. */
export const ChatContext = createContext<ChatStore | null>(null);

export const useChat = (): ChatStore => must(useContext(ChatContext), 'a chat store is provided');
