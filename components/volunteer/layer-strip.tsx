import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { classes } from '#components/ui/classes.ts';
import { formatLayers } from '#components/ui/format.ts';
import { shardText } from './describe.ts';
import { layerCells, type CellKind } from './strip.ts';

const LOOKS: Readonly<Record<CellKind, string>> = {
  held: 'bg-accent border-accent',
  loading: 'bg-accent-wash border-accent',
  'take-over': 'border-accent border-dashed',
  elsewhere: 'bg-sunken border-line',
};

/** Which layers of which model: a row of cells, one a layer. */
export function LayerStrip({ snapshot }: { snapshot: VolunteerSnapshot }) {
  const { layersTotal, range, takeOver, bytesLoaded, bytesTotal } = snapshot;
  if (layersTotal === null) return null;
  const loaded = bytesTotal === 0 ? 1 : Math.min(1, bytesLoaded / bytesTotal);
  const cells = layerCells({ layersTotal, range, takeOver, loaded });
  const held = range ? `You hold ${shardText(snapshot)}.` : 'You hold no layers just now.';
  const spare = takeOver
    ? ` You take over ${formatLayers(takeOver.first, takeOver.last)} when their holder leaves.`
    : '';
  return (
    <figure data-range={range ? `${String(range.first)}-${String(range.last)}` : ''}>
      <div
        role="img"
        aria-label={held + spare}
        className="grid grid-cols-[repeat(auto-fit,minmax(6px,1fr))] gap-[3px]"
      >
        {cells.map((kind, layer) => (
          <span
            key={layer}
            title={`layer ${String(layer)}`}
            className={classes('h-9 rounded-[4px] border', LOOKS[kind])}
          />
        ))}
      </div>
      <figcaption className="mt-2 text-sm text-soft">
        {held}
        {spare}
      </figcaption>
    </figure>
  );
}
