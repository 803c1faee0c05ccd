'use client';
import { classes } from '#components/ui/classes.ts';
import { describePulse } from './status.ts';
import { useNetworkStatus } from './use-network.ts';

const DOTS = { good: 'bg-accent', warn: 'bg-warn', bad: 'bg-bad', unknown: 'bg-line' } as const;

/** "3 nodes · model ready" in the header; on a phone only the dot, with the words as its name. */
export function NetworkPulse() {
  const { data, isError } = useNetworkStatus();
  const pulse = describePulse(data, isError);
  return (
    <p
      data-pulse={pulse.tone}
      title={pulse.text}
      className="flex min-w-0 items-center gap-2 text-sm whitespace-nowrap text-soft"
    >
      <span
        aria-hidden="true"
        className={classes('size-2 shrink-0 rounded-full', DOTS[pulse.tone])}
      />
      <span className="truncate max-sm:sr-only">{pulse.text}</span>
    </p>
  );
}
