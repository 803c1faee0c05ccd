'use client';
import Link from 'next/link';
import { useEffect, useState } from 'react';
import { Button } from '#components/ui/button.tsx';
import { Icon } from '#components/ui/icons.tsx';
import type { Failure } from '../answer/state.ts';
import { describeFailure, secondsUntil } from './failure.ts';

/** What went wrong, in one sentence, with the way out. */
export function FailureCard({ failure, onRetry }: { failure: Failure; onRetry: () => void }) {
  const { title, sentence, cure } = describeFailure(failure);
  const seconds = useCountdown(failure.retryAt);
  return (
    <div
      role="alert"
      data-failure={failure.code}
      className="rounded-xl border border-line bg-bad-wash p-4 text-[0.95rem]"
    >
      <p className="font-semibold text-bad">{title}</p>
      <p className="mt-1">{sentence}</p>
      <div className="mt-3 flex flex-wrap items-center gap-2">
        {cure === 'contribute' && (
          <Link
            href="/volunteer"
            className="inline-flex min-h-11 items-center gap-2 rounded-xl bg-accent px-4 font-medium text-accent-ink hover:brightness-110"
          >
            Lend this browser <Icon name="arrow" className="size-4" />
          </Link>
        )}
        <Button onClick={onRetry}>
          <Icon name="again" className="size-4" />
          Retry
        </Button>
        {cure === 'wait' && seconds > 0 && (
          <span aria-hidden="true" className="text-sm text-soft tabular-nums">
            best in {seconds} s
          </span>
        )}
      </div>
    </div>
  );
}

/** Seconds until `retryAt`, counted down each second. */
function useCountdown(retryAt: number | null): number {
  const [seconds, setSeconds] = useState(() => secondsUntil(retryAt, Date.now()));
  useEffect(() => {
    const timer = setInterval(() => {
      const left = secondsUntil(retryAt, Date.now());
      setSeconds(left);
      if (left === 0) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [retryAt]);
  return seconds;
}
