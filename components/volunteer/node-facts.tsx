import { reasonText } from '#lib/kernel/reasons.ts';
import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { formatBytes, formatMs, formatRate, shortId } from '#components/ui/format.ts';

/** Device, speed, work done: figures that are measured, each with its name. */
export function NodeFacts({ snapshot }: { snapshot: VolunteerSnapshot }) {
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-4 border-t border-line pt-6 sm:grid-cols-3">
      {factsOf(snapshot).map(({ name, value }) => (
        <div key={name} data-fact={name} className="min-w-0">
          <dt className="text-sm text-soft">{name}</dt>
          <dd className="font-medium tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function factsOf(snapshot: VolunteerSnapshot): { name: string; value: string }[] {
  const { measured, device, nodeId } = snapshot;
  return [
    { name: 'Tokens served', value: String(snapshot.tokensServed) },
    { name: 'Tokens/s', value: formatRate(snapshot.tokensPerSecond) },
    { name: 'Answers now', value: String(snapshot.sessions) },
    { name: 'Device', value: device === '' ? '–' : device },
    { name: 'Computes on', value: engineText(snapshot) },
    // Three figures: one token, eight answers at once, a chunk of a prompt.
    { name: 'Time a layer, 1 / 8 / 64 rows', value: measured ? layerTimes(measured.layerMs) : '–' },
    { name: 'Threads', value: threadText(snapshot) },
    { name: 'Steps', value: stepText(snapshot) },
    { name: 'From the network', value: formatBytes(snapshot.bytesFromNetwork) },
    { name: 'From this browser', value: formatBytes(snapshot.bytesFromCache) },
    { name: 'Name in the network', value: nodeId === null ? '–' : shortId(nodeId) },
  ];
}

/** The reason says which of the two it is. */
const engineText = ({ engine }: VolunteerSnapshot): string =>
  engine === null ? '–' : reasonText(engine.reason);

const threadText = ({ threads, engine }: VolunteerSnapshot): string =>
  threads === null || engine?.name !== 'cpu-wasm'
    ? '–'
    : `${String(threads.count)}. ${reasonText(threads.reason)}`;

const stepText = ({ steps, stepMsP50 }: VolunteerSnapshot): string =>
  steps === 0 ? '0' : `${String(steps)} of ${formatRate(stepMsP50)} ms`;

const layerTimes = (layerMs: readonly number[]): string =>
  layerMs.map((ms) => (ms < 10 ? ms.toFixed(2) : formatMs(ms).replace(' ms', ''))).join(' / ') +
  ' ms';
