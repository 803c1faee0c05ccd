import type { FaultCode } from '#lib/kernel/errors.ts';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import type { NodeMessage, NodeProfile, ServerMessage } from '#lib/shard/wire/node-messages.ts';

/** The orchestrator's door to its nodes; `server/signaling` puts socket.io behind it. */

export type HubEvent =
  /** A verified hello. It ends the node's earlier incarnation as a declaration would (V3). */
  | {
      readonly type: 'joined';
      readonly node: NodeId;
      readonly identity: IdentityId;
      readonly incarnation: number;
      readonly profile: NodeProfile;
      readonly address: string;
    }
  /** The socket of a living incarnation came back within its grace. */
  | { readonly type: 'back'; readonly node: NodeId; readonly incarnation: number }
  /** The socket closed; the incarnation may still come back until it is fenced. */
  | { readonly type: 'disconnected'; readonly node: NodeId; readonly incarnation: number }
  /** Schema-checked; hello, signal and pong are handled inside the hub. */
  | {
      readonly type: 'message';
      readonly node: NodeId;
      readonly incarnation: number;
      readonly message: NodeMessage;
    }
  /** It says more than its rates allow (M5): the incarnation is to be fenced. */
  | { readonly type: 'overrun'; readonly node: NodeId; readonly incarnation: number }
  /** Each pong: round-trip of the socket and the frames taken and sent by place (V1). */
  | {
      readonly type: 'pong';
      readonly node: NodeId;
      readonly incarnation: number;
      readonly rttMs: number;
      readonly progress: Extract<NodeMessage, { type: 'pong' }>['progress'];
    };

export interface NodeHub {
  onEvent(listener: (event: HubEvent) => void): void;
  /** False where the incarnation has no open socket just now. */
  send(node: NodeId, incarnation: number, message: ServerMessage): boolean;
  /** Brings two nodes of the cluster together; again with `relayOnly` after a bad direct path. */
  introduce(a: NodeId, b: NodeId, options: { readonly relayOnly: boolean }): void;
  part(a: NodeId, b: NodeId): void;
  /** Ends an incarnation: socket closed with the reason, its messages refused from now on. */
  fence(node: NodeId, incarnation: number, reason: { code: FaultCode; message: string }): void;
  /** Which pairs may relay, by session route: asked for each relayed frame (M4). */
  setRelayRule(rule: (from: NodeId, to: NodeId) => boolean): void;
  /** Bytes of frames that crossed the server, in all (A4). */
  relayedBytes(): number;
}
