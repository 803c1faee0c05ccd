'use client';
import { useNetworkStatus } from '#components/site/use-network.ts';
import { describeNeed } from './need.ts';

/** Before the click: what this tab would be good for just now. Keeps its height while it looks. */
export function NetworkNeed() {
  const { data } = useNetworkStatus();
  return (
    <p data-need className="min-h-6 text-[0.95rem]">
      {data ? describeNeed(data) : ''}
    </p>
  );
}
