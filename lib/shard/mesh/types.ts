import type { NodeId } from '#lib/kernel/ids.ts';

/** Doors of the mesh: what the node's runtime and the inference worker see of it. */

/**
 * What carries frame fragments into the thread that computes: an `RTCDataChannel` (transferred to
 * the worker where the browser can) or a `MessagePort` that the main thread pumps to a data channel
 * or to the relay. `FrameChannel` puts fragments, order and back-pressure on top.
 */
export interface ByteChannel {
  /** ≤ `WIRE.fragmentBytesMax` bytes; order is kept. */
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
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** What a link hands to the inference worker: transfer it with the message that announces it. */
export type LinkPort =
  | { readonly kind: 'rtc'; readonly channel: RTCDataChannel }
  | { readonly kind: 'port'; readonly port: MessagePort };
