import type { Server, TLSSocket } from 'node:tls';
import { toHex } from '#lib/kernel/bytes.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { ALLOWANCES, DOOR_RATES, REPLICA_LIMITS, REPLICA_TIMES } from '../limits.ts';
import type { Peer } from '../members.ts';
import type { Identity } from './certificate.ts';
import { FrameSocket } from './frame-socket.ts';
import { LINK_ENDS, decodePing, encodePing, isPing, type LinkEnd } from './ping.ts';
import { REPLICA_PROTOCOL, dialTls, listenTls, type HostPort } from './tls.ts';
import { Turns } from './turns.ts';

const MALFORMED: LinkEnd = 'wire/malformed';

const count = (counts: Map<LinkEnd, number>, code: LinkEnd): void => {
  counts.set(code, (counts.get(code) ?? 0) + 1);
};

export interface LinksOptions {
  readonly identity: Identity;
  /** This replica's own id. */
  readonly id: string;
  readonly listen: HostPort;
  /** @returns whether it was of use: nothing came of it, or it is no message at all. */
  readonly onFrame: (from: string, bytes: Uint8Array) => Worth;
  /** It answered a ping. */
  readonly onAlive: (from: string) => void;
}

export type Worth = 'used' | 'vain' | 'malformed';

interface Link {
  readonly id: string;
  readonly socket: FrameSocket;
  /** By whom of the two. */
  readonly dialledBy: string;
  readonly since: number;
  heardAt: number;
  askedAt: number;
  /** Its clock less ours, by the last answer. */
  offsetMs: number;
  roundTripMs: number;
}

/** What operators see of one peer. */
export interface LinkView {
  readonly id: string;
  readonly isUp: boolean;
  readonly offsetMs: number | null;
  readonly roundTripMs: number | null;
  readonly waitingBytes: number;
}

/**
 * One connection to each other member. Both ends compare the other's certificate with the member list
 * before they read a byte; the lower id dials, and who is in no list yet dials everybody.
 */
export class Links {
  readonly #options: LinksOptions;
  readonly #links = new Map<string, Link>();
  readonly #dialling = new Map<string, { delayMs: number; timer: NodeJS.Timeout | null }>();
  readonly #timer: NodeJS.Timeout;
  readonly #turns = new Turns(REPLICA_TIMES.linkSliceMs);
  /** Members that sent what is no message, until when they are shut out, and for how long that was. */
  readonly #shunned = new Map<string, { readonly until: number; readonly ms: number }>();
  #peers = new Map<string, Peer>();
  #server: Server | null = null;
  #isClosed = false;
  /** Frames that were not sent because too much waited. */
  dropped = 0;
  readonly #ended = new Map<LinkEnd, number>();
  readonly #endedByPeer = new Map<LinkEnd, number>();
  port = 0;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#ping(), REPLICA_TIMES.pingMs);
  }

  async listen(): Promise<void> {
    const { server, port } = await listenTls(this.#options.listen, {
      identity: this.#options.identity,
      protocol: REPLICA_PROTOCOL,
      asksPeer: true,
      socketsMax: REPLICA_LIMITS.peerSocketsMax,
      handshakes: DOOR_RATES.peerHandshakes,
      onSocket: (socket, key) => this.#accept(socket, key),
    });
    this.#server = server;
    this.port = port;
  }

  /** The members from now on. Links of who is none any more end. */
  setPeers(peers: readonly Peer[]): void {
    this.#peers = new Map(peers.map((peer) => [peer.id, peer]));
    for (const [id, link] of this.#links) if (!this.#peers.has(id)) link.socket.close();
    for (const peer of peers) this.#dialWhereOurs(peer);
  }

  send(to: 'all' | { readonly id: string }, bytes: Uint8Array): void {
    if (to !== 'all') {
      const link = this.#links.get(to.id);
      if (link?.socket.send(bytes) === false) this.dropped += 1;
      return;
    }
    for (const { socket } of this.#links.values()) if (!socket.send(bytes)) this.dropped += 1;
  }

  views(): LinkView[] {
    return [...this.#peers.keys()]
      .filter((id) => id !== this.#options.id)
      .map((id) => {
        const link = this.#links.get(id);
        return {
          id,
          isUp: link !== undefined,
          offsetMs: link?.offsetMs ?? null,
          roundTripMs: link?.roundTripMs ?? null,
          waitingBytes: link?.socket.waitingBytes ?? 0,
        };
      });
  }

  /** Links that ended because of what one end sent. */
  get ended(): { readonly code: LinkEnd; readonly by: 'us' | 'peer'; readonly count: number }[] {
    const of = (by: 'us' | 'peer', counts: ReadonlyMap<LinkEnd, number>) =>
      LINK_ENDS.map((code) => ({ code, by, count: counts.get(code) ?? 0 }));
    return [...of('us', this.#ended), ...of('peer', this.#endedByPeer)];
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const { timer } of this.#dialling.values()) clearTimeout(timer ?? undefined);
    this.#server?.close();
    for (const { socket } of this.#links.values()) socket.close('after');
  }

  #accept(socket: TLSSocket, key: Uint8Array | null): void {
    const name = key === null ? '' : toHex(key);
    const peer = [...this.#peers.values()].find(({ transportKey }) => transportKey === name);
    const isWelcome = peer !== undefined && peer.id !== this.#options.id && !this.#isClosed;
    if (isWelcome && this.#shunMs(peer.id) === 0) this.#register(peer, socket, peer.id);
    else socket.destroy();
  }

  /** Where a crossing made two connections, both ends keep the one that the lower id dialled. */
  #register(peer: Peer, socket: TLSSocket, dialledBy: string): void {
    const known = this.#links.get(peer.id);
    const preferred = [this.#options.id, peer.id].sort()[0];
    if (known !== undefined && known.dialledBy === preferred && dialledBy !== preferred) {
      socket.destroy();
      return;
    }
    known?.socket.close();
    const now = performance.now();
    const link: Link = {
      id: peer.id,
      socket: new FrameSocket(socket, {
        frameBytesMax: LIMITS.frameBytesMax,
        queueBytesMax: REPLICA_LIMITS.peerQueueBytesMax,
        turns: this.#turns,
        allowance: ALLOWANCES.peer,
        onFrame: (bytes) => this.#onFrame(link, bytes),
        onClose: (fault) => {
          if (fault !== null)
            this.#shun(link, fault.code === 'wire/too-large' ? fault.code : MALFORMED);
          this.#lost(peer, link);
        },
      }),
      ...{ dialledBy, since: now, heardAt: now, askedAt: now, offsetMs: 0, roundTripMs: 0 },
    };
    this.#links.set(peer.id, link);
    this.#ask(link);
  }

  /** @returns how many ms it cost for nothing. */
  #onFrame(link: Link, bytes: Uint8Array): number {
    const startedAt = performance.now();
    link.heardAt = startedAt;
    const worth = isPing(bytes) ? this.#onPing(link, bytes) : this.#options.onFrame(link.id, bytes);
    if (worth === 'malformed') {
      link.socket.send(encodePing({ kind: 'end', code: MALFORMED }));
      link.socket.close('after');
      this.#shun(link, MALFORMED);
    }
    if (worth === 'used') return 0;
    return Math.max(ALLOWANCES.frameMsMin, performance.now() - startedAt);
  }

  /** Never of use: who asks more than once a second pays for it. */
  #onPing(link: Link, bytes: Uint8Array): Worth {
    const ping = decodePing(bytes);
    switch (ping?.kind) {
      case 'ask':
        link.socket.send(encodePing({ kind: 'answer', sentAt: ping.sentAt, wallMs: Date.now() }));
        return 'vain';
      case 'answer':
        this.#options.onAlive(link.id);
        link.roundTripMs = Math.max(0, performance.now() - ping.sentAt);
        link.offsetMs = ping.wallMs + link.roundTripMs / 2 - Date.now();
        return 'vain';
      case 'end':
        count(this.#endedByPeer, ping.code);
        link.socket.close();
        return 'vain';
      case undefined:
        return 'malformed';
    }
  }

  /** Who says what is no message is of another version at best: it comes again later, and later each time. */
  #shun({ id }: Link, code: LinkEnd): void {
    count(this.#ended, code);
    const before = this.#shunned.get(id);
    const now = performance.now();
    const isSoon = before !== undefined && now - before.until < REPLICA_TIMES.shunMsMax;
    const ms = isSoon ? Math.min(2 * before.ms, REPLICA_TIMES.shunMsMax) : REPLICA_TIMES.shunMsMin;
    this.#shunned.set(id, { until: now + ms, ms });
  }

  /** For how long a member is still shut out. */
  #shunMs(id: string): number {
    return Math.max(0, (this.#shunned.get(id)?.until ?? 0) - performance.now());
  }

  #lost(peer: Peer, link: Link): void {
    if (this.#links.get(peer.id) !== link) return;
    this.#links.delete(peer.id);
    const now = this.#peers.get(peer.id);
    if (now === undefined || !this.#isOurs(now) || this.#dialling.has(now.id)) return;
    // One that ends at once was refused: no hurry to be refused again.
    const isRefused = performance.now() - link.since < REPLICA_TIMES.redialMsMax;
    const delayMs = isRefused ? REPLICA_TIMES.redialMsMax : REPLICA_TIMES.redialMsMin;
    const shunMs = this.#shunMs(now.id);
    this.#dialling.set(now.id, { delayMs: Math.max(delayMs, shunMs), timer: null });
    this.#redial(now.id);
  }

  /** What a link brings shows that it lives: asked is who is silent, and everybody now and then for the clock. */
  #ping(): void {
    const now = performance.now();
    for (const link of this.#links.values()) {
      const silentMs = now - link.heardAt;
      const isSilent = silentMs >= REPLICA_TIMES.pingMs / 2;
      if (silentMs > REPLICA_TIMES.silenceMs) link.socket.close();
      else if (isSilent || now - link.askedAt >= REPLICA_TIMES.clockMs) this.#ask(link);
    }
  }

  #ask(link: Link): void {
    link.askedAt = performance.now();
    link.socket.send(encodePing({ kind: 'ask', sentAt: Math.floor(link.askedAt) }));
  }

  #dialWhereOurs(peer: Peer): void {
    if (!this.#isOurs(peer) || this.#dialling.has(peer.id) || this.#isClosed) return;
    this.#dialling.set(peer.id, { delayMs: REPLICA_TIMES.redialMsMin, timer: null });
    this.#dial(peer.id);
  }

  #isOurs(peer: Peer): boolean {
    const { id } = this.#options;
    return peer.id !== id && (id < peer.id || !this.#peers.has(id));
  }

  #dial(id: string): void {
    const peer = this.#peers.get(id);
    if (peer?.address == null || this.#links.has(id) || this.#isClosed) {
      this.#dialling.delete(id);
      return;
    }
    dialTls(peer.address, {
      protocol: REPLICA_PROTOCOL,
      identity: this.#options.identity,
      onSecure: (socket, key) => {
        if (key === null || toHex(key) !== this.#peers.get(id)?.transportKey) {
          socket.destroy();
          this.#redial(id);
          return;
        }
        this.#dialling.delete(id);
        this.#register(peer, socket, this.#options.id);
      },
      onFailed: () => this.#redial(id),
    });
  }

  #redial(id: string): void {
    const dialling = this.#dialling.get(id);
    if (dialling === undefined || this.#isClosed) return;
    dialling.timer = setTimeout(() => this.#dial(id), dialling.delayMs);
    dialling.delayMs = Math.min(2 * dialling.delayMs, REPLICA_TIMES.redialMsMax);
  }
}
