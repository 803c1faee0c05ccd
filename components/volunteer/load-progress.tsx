import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { formatBytes, formatMs } from '#components/ui/format.ts';

/** Bytes loaded of bytes needed, and how long it takes still. Only while something is missing. */
export function LoadProgress({ snapshot }: { snapshot: VolunteerSnapshot }) {
  const { phase, bytesLoaded, bytesTotal, secondsLeft } = snapshot;
  if (phase !== 'loading' || bytesTotal === 0) return null;
  const share = Math.min(1, bytesLoaded / bytesTotal);
  const words = `${formatBytes(bytesLoaded)} of ${formatBytes(bytesTotal)}${timeLeft(secondsLeft)}`;
  return (
    <div>
      <div
        role="progressbar"
        aria-label="Layers loaded"
        aria-valuenow={Math.round(share * 100)}
        aria-valuetext={words}
        className="h-2 overflow-hidden rounded-full bg-sunken"
      >
        <div
          className="h-full origin-left bg-accent transition-transform duration-500"
          style={{ transform: `scaleX(${String(share)})` }}
        />
      </div>
      <p className="mt-2 text-sm text-soft tabular-nums" data-progress>
        {words}
      </p>
    </div>
  );
}

/** Nobody plans by milliseconds: below a second it is a moment. */
function timeLeft(seconds: number | null): string {
  if (seconds === null) return '';
  return seconds < 1 ? ' · a moment left' : ` · ${formatMs(seconds * 1_000)} left`;
}
