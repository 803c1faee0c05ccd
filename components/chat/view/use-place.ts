'use client';
import { useSearchParams } from 'next/navigation';

const KEY = 'c';

/** Which conversation is open: the URL's `?c=`, so that Back, reload and links work. */
export const useOpenConversation = (): string | null => useSearchParams().get(KEY);

/** Next follows the history by itself: no request, no new page. */
export function openConversation(id: string | null): void {
  window.history.pushState(null, '', id === null ? '/' : `/?${KEY}=${encodeURIComponent(id)}`);
}
