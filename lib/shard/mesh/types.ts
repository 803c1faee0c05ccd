import type { FaultCode } from '#lib/kernel/errors.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { Clock } from '#lib/kernel/ports.ts';
import type { Progress } from '#lib/shard/wire/session-messages.ts';
import type { NodeMessage, NodeProfile, ServerMessage } from '#lib/shard/wire/node-messages.ts';
import type { NodeKeys } from './identity.ts';

/** Doors of the mesh: what the node's runtime and the inference worker see of it. */

/**
 * What carries frame fragments into the thread that computes: an `RTCDataChannel` (transferred to
 * the worker where the browser can) or a `MessagePort` that the main thread pumps to a data channel
 * or to the relay. `FrameChannel` puts fragments, order and back-pressure on top.
 */
export interface ByteChannel {
  /**
   * ≤ `WIRE.fragmentBytesMax` bytes; order is kept. Ownership passes to the channel, which may
   * transfer the buffer to another thread. Before the channel is open bytes wait; after its end
   * they are dropped.
   */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  bufferedBytes(): number;
  /** Called once each time `bufferedBytes` falls below the low mark. */
  onDrain(listener: () => void): void;
  onBytes(listener: (bytes: Uint8Array<ArrayBuffer>) => void): void;
  onClose(listener: () => void): void;
  close(): void;
}

/** Live facts of one link, for pages, placement and the bench. */
export interface LinkInfo {
  readonly peer: NodeId;
  readonly path: 'direct' | 'relay';
  readonly state: 'connecting' | 'open' | 'closed';
  readonly rttMs: number | null;
  /** To the peer, as measured; null where that is not known. */
  readonly bytesPerMs: number | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** What a link hands to the inference worker: transfer it with the message that announces it. */
export type LinkPort =
  | { readonly kind: 'rtc'; readonly channel: RTCDataChannel }
  | { readonly kind: 'port'; readonly port: MessagePort };

export type LinkPath = LinkInfo['path'];

/** What the server asks of the node's runtime; the mesh keeps the rest to itself. */
export type OrderMessage = Extract<
  ServerMessage,
  { type: 'assign' | 'known-answer' | 'trusted' | 'session' }
>;
/** What the node's runtime tells the server; the mesh says hello, pong, signal and link itself. */
export type NewsMessage = Exclude<NodeMessage, { type: 'hello' | 'pong' | 'signal' | 'link' }>;

export type Challenge = Extract<ServerMessage, { type: 'challenge' }>;

export type MeshEvent =
  /** The server took our hello. `resumed` false after an earlier `online`: all links are gone. */
  | { readonly type: 'online'; readonly incarnation: number; readonly resumed: boolean }
  /** The socket closed; the mesh connects again by itself. Links live on. */
  | { readonly type: 'offline' }
  /** Fenced, refused or too old: the mesh is closed, nothing more comes (V3, M2, M5). */
  | { readonly type: 'goodbye'; readonly code: FaultCode; readonly message: string }
  | { readonly type: 'message'; readonly message: OrderMessage }
  /**
   * The channel of a link's frames: transfer it to the inference worker inside this very call (a
   * browser lets an `RTCDataChannel` go only in the task that made it). It may not be open yet. A
   * second `link-port` of the same link replaces the first: the direct path failed.
   */
  | {
      readonly type: 'link-port';
      readonly peer: NodeId;
      readonly link: string;
      readonly port: LinkPort;
    }
  | {
      readonly type: 'link-open';
      readonly peer: NodeId;
      readonly link: string;
      readonly path: LinkPath;
    }
  | {
      readonly type: 'link-closed';
      readonly peer: NodeId;
      readonly link: string;
      readonly why: FaultCode;
    };

/** The WebRTC of the platform: `window`'s in a tab (leave it out), `@roamhq/wrtc`'s in Node. */
export interface WebRtc {
  readonly RTCPeerConnection: typeof RTCPeerConnection;
  readonly RTCSessionDescription: typeof RTCSessionDescription;
  readonly RTCIceCandidate: typeof RTCIceCandidate;
}

/** What `createMesh` in `mesh.ts` takes. */
export interface MeshOptions {
  /** The server's origin as the page or the command line knows it: `https://host:port`. */
  readonly url: string;
  readonly keys: NodeKeys;
  /** Measured for the challenge's model; the server waits 5 s for the hello it goes into (M5). */
  readonly profile: (challenge: Challenge) => Promise<NodeProfile>;
  /** Answers each ping at once: frames taken and sent by place (V1). */
  readonly progress: () => readonly Progress[];
  readonly onEvent: (event: MeshEvent) => void;
  /** Whether nothing of this node's own is on its links: then they are measured. */
  readonly isIdle: () => boolean;
  /** Hides this node's IP addresses: every link goes through the server's socket (M6). */
  readonly relayOnly: boolean;
  readonly wrtc?: WebRtc;
  /** `relay`: TURN servers only, no direct candidates. */
  readonly iceTransportPolicy?: 'all' | 'relay';
  /** Node only: takes a certificate that no authority signed (`--insecure`). */
  readonly insecure?: boolean;
  readonly clock?: Clock;
}

/** A node's end of signaling and all its links. Main thread of a tab, or a Node process. */
export interface Mesh {
  readonly node: NodeId;
  /** Null until the first welcome. */
  readonly incarnation: number | null;
  start(): void;
  /** False while the socket is closed: the message is dropped, `resync` tells the rest (S4). */
  send(message: NewsMessage): boolean;
  info(): LinkInfo[];
  /** Ends one link, as after `reject-peer`; the server is told and may introduce again. */
  closeLink(peer: NodeId, why: FaultCode): void;
  /** Closes links and socket for good; no event follows. */
  stop(): void;
}
