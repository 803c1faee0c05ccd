const EXAMPLES = [
  'Explain how a bicycle stays upright, in three sentences.',
  'Write a friendly reply to: “Can we move the meeting to Friday?”',
  'Name five questions a child might ask about the moon.',
] as const;

/** What an empty chat offers: what this is, and three ways to begin. */
export function EmptyState({ ready, onAsk }: { ready: boolean; onAsk: (text: string) => void }) {
  return (
    <div className="min-h-0 flex-1 overflow-y-auto">
      <div className="mx-auto flex min-h-full w-full max-w-3xl flex-col justify-center px-4 py-8 sm:px-6">
        <h1 className="font-read text-[clamp(1.8rem,5.5vw,2.75rem)] leading-[1.12] text-balance">
          Ask a model that lives in browser tabs.
        </h1>
        <p className="mt-4 max-w-xl text-soft">
          Volunteers each hold a few of its layers. Your words pass from tab to tab, and the answer
          comes back one token at a time.
        </p>
        <ul className="mt-8 grid gap-2.5 sm:grid-cols-3">
          {EXAMPLES.map((example) => (
            <li key={example}>
              <button
                type="button"
                disabled={!ready}
                onClick={() => onAsk(example)}
                className="h-full min-h-11 w-full rounded-2xl border border-line bg-raised px-4 py-3 text-left text-[0.95rem] leading-snug transition-colors hover:border-accent hover:bg-accent-wash disabled:opacity-60"
              >
                {example}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
