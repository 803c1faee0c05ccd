import type { LinkInfo } from '#lib/shard/mesh/types.ts';
import type { Manifest } from '#lib/shard/package/manifest.ts';
import { fetchedBytes } from '#lib/shard/stage/stored-bytes.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { ByteMeter } from './byte-meter.ts';
import type { StageRoom } from './stage-room.ts';
import { viewNode } from './node-view.ts';
import type { NodeState } from './node-state.ts';
import type { VolunteerSnapshot } from './volunteer-port.ts';

/** What the runtime knows besides the machine's state. */
export interface SnapshotFacts {
  readonly device: string;
  readonly nodeId: NodeId | null;
  readonly manifest: Manifest | null;
  readonly room: StageRoom;
  readonly links: readonly LinkInfo[];
}

export function makeSnapshot(state: NodeState, facts: SnapshotFacts): VolunteerSnapshot {
  const { room, manifest } = facts;
  const { view, meter } = room;
  const { word, reason, fault } = viewNode(state);
  const assignment = state.phase === 'member' ? state.assignment : null;
  const choice = 'measured' in state ? state.measured : null;
  const measured = choice && { layerMs: choice.layerMs };
  const model = 'model' in state ? state.model.id : null;
  const { bytesLoaded, bytesTotal } = shardBytes(state, manifest, meter);
  return {
    phase: word,
    reason,
    fault,
    rejoins: state.phase === 'lost' && state.retryAt !== null,
    device: facts.device,
    engine: choice && { name: choice.engine, reason: choice.reason },
    measured,
    threads: room.threads && { count: room.threads.threads, reason: room.threads.reason },
    model,
    range: assignment?.range ?? null,
    layersTotal: model === null ? null : (manifest?.shape.layers ?? null),
    takeOver: assignment?.takeOver ?? null,
    bytesLoaded,
    bytesTotal,
    bytesFromNetwork: meter.networkBytes,
    bytesFromCache: meter.cacheBytes,
    secondsLeft: word === 'loading' ? meter.secondsLeft() : null,
    sessions: view?.sessions ?? 0,
    pagesHeld: view?.pagesHeld ?? 0,
    tokensServed: room.tokensServed(),
    tokensPerSecond: view?.tokensPerSecond ?? 0,
    steps: room.steps(),
    stepMsP50: view?.stepMsP50 ?? 0,
    frameBytesSent: facts.links.reduce((sum, link) => sum + link.bytesSent, 0),
    peers: facts.links
      .filter((link) => link.state === 'open')
      .map(({ peer, path, rttMs }) => ({ id: peer, path, rttMs: wholeMs(rttMs) })),
    nodeId: facts.nodeId,
    computing: word === 'measuring' || word === 'warming' || (view?.computing ?? false),
  };
}

/** What moves by a fraction with each heartbeat is not worth drawing a page anew. */
const wholeMs = (ms: number | null): number | null => (ms === null ? null : Math.round(ms));

/** Of the assigned shard: by its fetch while that runs, all of it once it is in. */
export function shardBytes(
  state: NodeState,
  manifest: Manifest | null,
  meter: ByteMeter,
): { readonly bytesLoaded: number; readonly bytesTotal: number } {
  if (state.phase !== 'member' || !state.assignment || !manifest) {
    return { bytesLoaded: 0, bytesTotal: 0 };
  }
  const bytesTotal = fetchedBytes(manifest, state.assignment.range);
  const { kind } = state.shard;
  if (kind === 'warming' || kind === 'checking' || kind === 'ready') {
    return { bytesLoaded: bytesTotal, bytesTotal };
  }
  const fetched = kind === 'fetching' && meter.last?.stage === 'shard' ? meter.last.bytesDone : 0;
  return { bytesLoaded: Math.min(fetched, bytesTotal), bytesTotal };
}
