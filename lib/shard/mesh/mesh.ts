import type { FaultCode } from '#lib/kernel/errors.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { systemClock } from '#lib/kernel/ports.ts';
import type { ServerMessage } from '#lib/shard/wire/node-messages.ts';
import { MESH } from './limits.ts';
import { Link } from './link.ts';
import { SignalingClient, type PostMessage, type SignalingEvent } from './signaling-client.ts';
import type { LinkInfo, LinkPath, Mesh, MeshOptions, NewsMessage } from './types.ts';

type Introduce = Extract<ServerMessage, { type: 'introduce' }>;

interface Known {
  readonly id: string;
  readonly link: Link;
  /** Since its RTT is known: the first and every tenth is reported. */
  beats: number;
}

/** A node's signaling and links, on the main thread of a tab or in a Node process. */
export const createMesh = (options: MeshOptions): Mesh => new NodeMesh(options);

class NodeMesh implements Mesh {
  readonly node: NodeId;
  readonly #options: MeshOptions;
  readonly #signaling: SignalingClient;
  readonly #links = new Map<NodeId, Known>();
  /** Ended while the socket was away: told with the next welcome. At most one a peer. */
  readonly #untold = new Map<NodeId, { readonly id: string; readonly path: LinkPath }>();
  #beats = 0;
  #stopped = false;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.node = options.keys.node.id;
    this.#signaling = new SignalingClient({
      ...options,
      onEvent: (event) => {
        this.#take(event);
      },
    });
  }

  get incarnation(): number | null {
    return this.#signaling.incarnation;
  }

  start(): void {
    this.#signaling.start();
  }

  send(message: NewsMessage): boolean {
    return this.#signaling.send(message);
  }

  info(): LinkInfo[] {
    return [...this.#links.values()].map(({ link }) => link.info);
  }

  closeLink(peer: NodeId, why: FaultCode): void {
    this.#links.get(peer)?.link.close(why);
  }

  stop(): void {
    this.#stopped = true;
    this.#closeAll('mesh/closed');
    this.#signaling.stop();
  }

  #take(event: SignalingEvent): void {
    switch (event.type) {
      case 'online':
        if (event.resumed) this.#tellAll();
        else this.#closeAll('mesh/closed');
        this.#untold.clear();
        this.#options.onEvent(event);
        return;
      case 'goodbye':
        this.#closeAll(event.code);
        this.#options.onEvent(event);
        return;
      case 'beat':
        this.#beat();
        return;
      case 'relay':
        this.#linkById(event.link)?.takeRelay(event.bytes);
        return;
      case 'message':
        this.#takeMessage(event.message);
        return;
      case 'offline':
        this.#options.onEvent(event);
    }
  }

  #takeMessage(message: PostMessage): void {
    switch (message.type) {
      case 'introduce':
        this.#introduce(message);
        return;
      case 'part':
        if (this.#links.get(message.peer)?.id === message.link) {
          this.closeLink(message.peer, 'mesh/closed');
        }
        return;
      case 'signal': {
        const known = this.#links.get(message.from);
        if (known?.id !== message.link) return;
        known.link.takeSignal({ text: message.payload, signature: message.signature });
        return;
      }
      default:
        this.#options.onEvent({ type: 'message', message });
    }
  }

  /** A new introduction ends the link before it: the server has forgotten that one. */
  #introduce({ peer, link: id, initiator, relayOnly }: Introduce): void {
    this.closeLink(peer, 'mesh/closed');
    if (this.#links.size >= MESH.linksMax || peer === this.node) {
      this.#tell(peer, { id, path: 'direct' }, 'closed');
      return;
    }
    const { onEvent } = this.#options;
    const link = new Link({
      self: this.#options.keys.node,
      peer,
      link: id,
      initiator,
      relayOnly: relayOnly || this.#options.relayOnly,
      iceServers: this.#signaling.iceServers,
      iceTransportPolicy: this.#options.iceTransportPolicy ?? 'all',
      wrtc: this.#options.wrtc,
      clock: this.#options.clock ?? systemClock,
      isIdle: this.#options.isIdle,
      sendSignal: ({ text, signature }) => {
        this.#signaling.send({ type: 'signal', to: peer, link: id, payload: text, signature });
      },
      sendRelay: (bytes) => {
        this.#signaling.sendRelay(id, bytes);
      },
      onPort: (port) => {
        onEvent({ type: 'link-port', peer, link: id, port });
      },
      onOpen: (path) => {
        this.#tell(peer, { id, path }, 'open');
        onEvent({ type: 'link-open', peer, link: id, path });
      },
      onClosed: (why) => {
        const { path } = link.info;
        this.#links.delete(peer);
        if (this.#stopped) return;
        this.#tell(peer, { id, path }, 'closed');
        onEvent({ type: 'link-closed', peer, link: id, why });
      },
    });
    this.#links.set(peer, { id, link, beats: 0 });
  }

  #beat(): void {
    for (const [peer, known] of this.#links) {
      known.link.beat();
      const { state, path, rttMs } = known.link.info;
      if (state !== 'open' || rttMs === null) continue;
      if (known.beats % MESH.reportEveryBeats === 0)
        this.#tell(peer, { id: known.id, path }, 'open');
      known.beats += 1;
    }
    this.#beats += 1;
    if (this.#beats % MESH.measureEveryBeats === 0) this.#measure();
  }

  /** One link at a time: two trains at once would share the line of this node. */
  #measure(): void {
    if (!this.#options.isIdle()) return;
    for (const { link } of this.#links.values()) if (link.measure()) return;
  }

  /** Repeated with a newer RTT while open. */
  #tell(
    peer: NodeId,
    link: { readonly id: string; readonly path: LinkPath },
    state: 'open' | 'closed',
  ): void {
    const rttMs = this.#links.get(peer)?.link.info.rttMs ?? null;
    const told = this.#signaling.send({
      type: 'link',
      peer,
      link: link.id,
      state,
      path: link.path,
      rttMs,
    });
    if (!told && state === 'closed') this.#untold.set(peer, link);
  }

  #tellAll(): void {
    for (const [peer, link] of this.#untold) this.#tell(peer, link, 'closed');
    for (const [peer, { id, link }] of this.#links) {
      if (link.info.state === 'open') this.#tell(peer, { id, path: link.info.path }, 'open');
    }
  }

  #linkById(id: string): Link | null {
    for (const known of this.#links.values()) if (known.id === id) return known.link;
    return null;
  }

  #closeAll(why: FaultCode): void {
    for (const { link } of this.#links.values()) link.close(why);
  }
}
