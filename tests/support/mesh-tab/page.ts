import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import { dexieKeyStore } from '#lib/shard/mesh/browser.ts';
import { loadIdentity, newNodeKeys } from '#lib/shard/mesh/identity.ts';
import { createMesh } from '#lib/shard/mesh/mesh.ts';
import type { LinkInfo, Mesh, MeshEvent, MeshOptions } from '#lib/shard/mesh/types.ts';
import type { NodeProfile } from '#lib/shard/wire/node-messages.ts';
import type { Order, Report } from './worker.ts';

/** A volunteer's page reduced to its mesh and a worker; the test drives it through `tab`. */
export interface Tab {
  start(profile: NodeProfile, options: Pick<MeshOptions, 'relayOnly'>): Promise<NodeId>;
  identity(): Promise<IdentityId>;
  order(order: Order): void;
  info(): LinkInfo[];
  seen(): { readonly events: readonly MeshEvent[]; readonly reports: readonly Report[] };
  /** From now on its links may be measured. */
  rest(): void;
  stop(): void;
}

declare global {
  var tab: Tab;
}

let mesh: Mesh | null = null;
let isIdle = false;
const events: MeshEvent[] = [];
const reports: Report[] = [];
const worker = new Worker('/worker.js');
worker.onmessage = ({ data }: MessageEvent<Report>) => reports.push(data);

function hand(event: MeshEvent): void {
  if (event.type !== 'link-port') {
    events.push(event);
    return;
  }
  const { peer, link, port } = event;
  const order: Order = { type: 'port', peer, port };
  worker.postMessage(order, [port.kind === 'rtc' ? port.channel : port.port]);
  events.push({ type: 'link-port', peer, link, port: { kind: port.kind } as typeof port });
}

globalThis.tab = {
  async start(profile, { relayOnly }) {
    const keys = newNodeKeys(await loadIdentity(dexieKeyStore()));
    mesh = createMesh({
      url: location.origin,
      keys,
      profile: () => Promise.resolve(profile),
      progress: () => [],
      isIdle: () => isIdle,
      relayOnly,
      onEvent: hand,
    });
    mesh.start();
    return keys.node.id;
  },
  identity: async () => (await loadIdentity(dexieKeyStore())).id,
  order: (order) => {
    worker.postMessage(order);
  },
  info: () => mesh?.info() ?? [],
  seen: () => ({ events, reports }),
  rest: () => {
    isIdle = true;
  },
  stop: () => mesh?.stop(),
};
