'use client';
import type { ReactNode } from 'react';
import { useReadable } from '#components/ui/use-readable.ts';
import { DEFAULT_PREFERENCES, MEMORY_CHOICES } from './preferences.ts';
import { useVolunteer } from './volunteer-context.ts';

/** What this profile allows. `locked`: memory and address are fixed while the tab contributes. */
export function PreferencesForm({ locked }: { locked: boolean }) {
  const { preferences } = useVolunteer();
  const allowed = useReadable(preferences, DEFAULT_PREFERENCES);
  return (
    <section aria-label="What you allow" className="space-y-1">
      <Tick
        checked={allowed.startAfterReload}
        onChange={(startAfterReload) => preferences.change({ startAfterReload })}
      >
        Start by itself after a reload of this page
      </Tick>
      <Tick checked={allowed.keepAwake} onChange={(keepAwake) => preferences.change({ keepAwake })}>
        Keep the screen on while contributing
      </Tick>
      <Tick
        checked={allowed.relayOnly}
        disabled={locked}
        onChange={(relayOnly) => preferences.change({ relayOnly })}
      >
        Hide this machine’s address from other volunteers (slower: all goes through the server)
      </Tick>
      <label className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1">
        <span>Memory to lend</span>
        <select
          disabled={locked}
          value={allowed.memoryLentBytes ?? ''}
          onChange={(event) => {
            const { value } = event.target;
            preferences.change({ memoryLentBytes: value === '' ? null : Number(value) });
          }}
          className="min-h-11 rounded-xl border border-line bg-raised px-3 disabled:opacity-60"
        >
          <option value="">what suits this device</option>
          {MEMORY_CHOICES.map(({ name, bytes }) => (
            <option key={bytes} value={bytes}>
              {name}
            </option>
          ))}
        </select>
        {locked && <span className="text-sm text-soft">Stop first to change these.</span>}
      </label>
    </section>
  );
}

interface TickProps {
  readonly checked: boolean;
  readonly disabled?: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly children: ReactNode;
}

function Tick({ checked, disabled = false, onChange, children }: TickProps) {
  return (
    <label className="flex min-h-11 items-center gap-3">
      <input
        type="checkbox"
        checked={checked}
        disabled={disabled}
        onChange={(event) => onChange(event.target.checked)}
        className="size-5 shrink-0 accent-accent"
      />
      <span>{children}</span>
    </label>
  );
}
