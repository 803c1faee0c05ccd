import { Suspense } from 'react';
import { ChatPage } from '#components/chat/chat-page.tsx';

export default function Page() {
  // The open conversation stands in the URL, which static HTML does not know.
  return (
    <Suspense fallback={<main className="flex-1" />}>
      <ChatPage />
    </Suspense>
  );
}
