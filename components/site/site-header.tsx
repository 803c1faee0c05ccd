import type { ReactNode } from 'react';
import { ThemeToggle } from '#components/ui/theme-toggle.tsx';
import { NetworkPulse } from './network-pulse.tsx';
import { SiteNav } from './site-nav.tsx';

/** Every page's head: the name, the places, `light` (computing or not), the pulse, the colours. */
export function SiteHeader({ light }: { light: ReactNode }) {
  return (
    <header className="flex h-14 items-center gap-1 border-b border-line bg-ground px-3 sm:gap-4 sm:px-5">
      <Wordmark />
      <SiteNav />
      <div className="ml-auto flex min-w-0 items-center gap-1 sm:gap-4">
        {light}
        <NetworkPulse />
        <ThemeToggle />
      </div>
    </header>
  );
}

/** Three cells in a row, the last one lit: a ring of tabs that has just said a word. */
function Wordmark() {
  return (
    <span className="flex items-center gap-2 font-semibold tracking-tight">
      <svg viewBox="0 0 26 20" aria-hidden="true" className="h-5 w-6.5">
        <g fill="none" stroke="currentColor" strokeWidth="1.6">
          <rect x="1" y="4" width="6" height="12" rx="2" />
          <rect x="10" y="4" width="6" height="12" rx="2" />
        </g>
        <rect x="18.5" y="3" width="7" height="14" rx="2.4" className="fill-accent" />
      </svg>
      <span className="max-[26rem]:sr-only">DeCLAI</span>
    </span>
  );
}
