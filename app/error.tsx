'use client';
import { Button } from '#components/ui/button.tsx';

export default function ErrorPage({ reset }: { error: Error; reset: () => void }) {
  return (
    <main role="alert" className="m-auto max-w-md p-6 text-center">
      <h1 className="font-read text-3xl">This page stumbled</h1>
      <p className="mt-3 text-soft">
        Your conversations are kept in this browser. Try again; if it happens twice, reload the
        page.
      </p>
      <Button look="primary" className="mt-6" onClick={reset}>
        Try again
      </Button>
    </main>
  );
}
