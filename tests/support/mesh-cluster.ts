import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import wrtc from '@roamhq/wrtc';
import type { FaultCode } from '#lib/kernel/errors.ts';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import { keyPairFromSeed, newNodeKeys, newSeed } from '#lib/shard/mesh/identity.ts';
import type { FrameChannel } from '#lib/shard/mesh/frame-channel.ts';
import { openLinkPort } from '#lib/shard/mesh/link-port.ts';
import { createMesh } from '#lib/shard/mesh/mesh.ts';
import type { Mesh, MeshEvent, MeshOptions } from '#lib/shard/mesh/types.ts';
import type { HubEvent } from '#server/signaling/hub.ts';
import { attachHub, type Hub } from '#server/signaling/socket-hub.ts';
import { PROFILE } from './profile.ts';

/** A server on a free port with its hub, and nodes on it: real sockets, real WebRTC. */

/** WebRTC gathers no candidates on a machine that has only its loopback. */
export function assertInterface(): void {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  if (!addresses.some((address) => !address.internal)) {
    throw new Error('WebRTC tests need one network interface besides the loopback');
  }
}

export interface Cluster {
  readonly hub: Hub;
  readonly url: string;
  readonly events: HubEvent[];
  /** Codes of sockets that were turned away or ended. */
  readonly goodbyes: FaultCode[];
  /** A node whose socket closed is fenced after this; the orchestrator's 500 ms where nobody sets it. */
  fenceMs: number;
  readonly close: () => Promise<void>;
}

/** Fences a node some time after its socket closed, as the orchestrator does (V1). */
export async function startCluster(pages?: RequestListener): Promise<Cluster> {
  const server: Server = createServer(pages);
  const goodbyes: FaultCode[] = [];
  const hub = attachHub(server, {
    model: () => null,
    onGoodbye: (code) => void goodbyes.push(code),
  });
  const events: HubEvent[] = [];
  const timers = new Map<NodeId, NodeJS.Timeout>();
  hub.onEvent((event) => {
    events.push(event);
    if (event.type === 'joined' || event.type === 'back') clearTimeout(timers.get(event.node));
    if (event.type !== 'disconnected') return;
    const { node, incarnation } = event;
    const reason = { code: 'mesh/closed', message: 'silent' } as const;
    timers.set(
      node,
      setTimeout(() => hub.fence(node, incarnation, reason), cluster.fenceMs),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const cluster: Cluster = {
    hub,
    url: `http://127.0.0.1:${port}`,
    events,
    goodbyes,
    fenceMs: 500,
    close: async () => {
      for (const timer of timers.values()) clearTimeout(timer);
      hub.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return cluster;
}

export interface TestNode {
  readonly id: NodeId;
  readonly mesh: Mesh;
  readonly events: MeshEvent[];
  /** The open frame channel to a peer. */
  readonly channel: (peer: NodeId) => FrameChannel;
  readonly saw: <T extends MeshEvent['type']>(
    type: T,
    peer?: NodeId,
  ) => Extract<MeshEvent, { type: T }> | undefined;
}

export function startNode(url: string, options: Partial<MeshOptions> = {}): TestNode {
  const keys = options.keys ?? newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));
  const events: MeshEvent[] = [];
  const channels = new Map<NodeId, FrameChannel>();
  const mesh = createMesh({
    url,
    keys,
    wrtc,
    profile: () => Promise.resolve(PROFILE),
    progress: () => [],
    // Trains would be among what a test counts.
    isIdle: () => false,
    relayOnly: false,
    onEvent: (event) => {
      events.push(event);
      if (event.type === 'link-port') channels.set(event.peer, openLinkPort(event.port));
    },
    ...options,
  });
  mesh.start();
  return {
    id: keys.node.id,
    mesh,
    events,
    channel: (peer) => {
      const channel = channels.get(peer);
      if (!channel) throw new Error('no channel to that peer');
      return channel;
    },
    saw: (type, peer) =>
      events.findLast(
        (event): event is Extract<MeshEvent, { type: typeof type }> =>
          event.type === type && (peer === undefined || ('peer' in event && event.peer === peer)),
      ),
  };
}
