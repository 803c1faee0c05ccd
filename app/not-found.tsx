import Link from 'next/link';

export default function NotFound() {
  return (
    <main className="m-auto max-w-md p-6 text-center">
      <h1 className="font-read text-3xl">There is no such page</h1>
      <p className="mt-3 text-soft">The address may be mistyped, or the page has moved.</p>
      <Link href="/" className="mt-6 inline-flex min-h-11 items-center text-accent underline">
        Go to the chat
      </Link>
    </main>
  );
}
