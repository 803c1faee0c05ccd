import SimplePeer from 'simple-peer';
import { MESH } from './limits.ts';
import type { SignalPayload } from './signal-payload.ts';
import type { Challenge, WebRtc } from './types.ts';

/** What simple-peer keeps to itself and we need: the connection under it. */
type Peer = SimplePeer.Instance & { readonly _pc: RTCPeerConnection };

export interface DirectPathOptions {
  readonly initiator: boolean;
  readonly iceServers: Challenge['iceServers'];
  readonly iceTransportPolicy: 'all' | 'relay';
  readonly wrtc: WebRtc | undefined;
  readonly onSignal: (payload: SignalPayload) => void;
  readonly onOpen: () => void;
  readonly onControl: (bytes: Uint8Array) => void;
  /** Once, and never after {@link DirectPath.destroy}. */
  readonly onClose: () => void;
}

/** Payload bytes, and whether either end's worker has closed the channel. */
export interface FrameStats {
  readonly sent: number;
  readonly received: number;
  readonly ended: boolean;
}

/**
 * One attempt at a WebRTC connection, behind which simple-peer could be replaced. Both channels are
 * negotiated: 0 is simple-peer's own and carries control, 1 carries frames.
 */
export class DirectPath {
  /** Made in this very task, before anything is signaled: only so may it go to a worker. */
  readonly frames: RTCDataChannel;
  readonly #peer: Peer;
  readonly #initiator: boolean;
  #lastStats: FrameStats = { sent: 0, received: 0, ended: false };
  #candidates = 0;
  #described = false;
  #over = false;

  /** Null where the platform has no WebRTC, or refuses the configured servers. */
  static make(options: DirectPathOptions): DirectPath | null {
    try {
      return new DirectPath(options);
    } catch {
      return null;
    }
  }

  private constructor(options: DirectPathOptions) {
    const { wrtc } = options;
    this.#initiator = options.initiator;
    this.#peer = new SimplePeer({
      initiator: options.initiator,
      trickle: true,
      channelName: 'control',
      channelConfig: { negotiated: true, id: 0, ordered: true },
      config: {
        // Always named: simple-peer's default calls public STUN servers.
        iceServers: options.iceServers as RTCIceServer[],
        iceTransportPolicy: options.iceTransportPolicy,
      },
      ...(wrtc ? { wrtc } : {}),
    }) as Peer;
    // `close` follows each `error`; without a listener the error would be thrown.
    this.#peer.on('error', () => undefined);
    this.frames = this.#peer._pc.createDataChannel('frames', {
      negotiated: true,
      id: 1,
      ordered: true,
    });
    this.#peer.on('signal', (data: unknown) => {
      const payload = toPayload(data);
      if (payload && !this.#over) options.onSignal(payload);
    });
    this.#peer.on('connect', () => {
      if (!this.#over) options.onOpen();
    });
    this.#peer.on('data', (bytes: Uint8Array) => {
      if (!this.#over) options.onControl(bytes);
    });
    this.#peer.on('close', () => {
      if (this.#over) return;
      this.#over = true;
      options.onClose();
    });
  }

  /** One description and a bounded number of candidates; false where the peer asks for more. */
  take(payload: SignalPayload): boolean {
    if (this.#over) return true;
    if (payload.type === 'candidate') {
      this.#candidates += 1;
      if (this.#candidates > MESH.candidatesMax) return false;
      const { candidate, sdpMid, sdpMLineIndex } = payload;
      this.#peer.signal({
        type: 'candidate',
        candidate: { candidate, sdpMid, sdpMLineIndex } as RTCIceCandidate,
      });
      return true;
    }
    if (payload.type === 'relay' || this.#described) return false;
    if (payload.type !== (this.#initiator ? 'answer' : 'offer')) return false;
    this.#described = true;
    this.#peer.signal({ type: payload.type, sdp: payload.sdp });
    return true;
  }

  sendControl(bytes: Uint8Array): void {
    if (!this.#over && this.#peer.connected) this.#peer.send(bytes);
  }

  /**
   * The frames channel as the connection sees it, also where a worker owns it; null where there is
   * no word. libwebrtc forgets a channel when it closes: then only the control channel is listed.
   */
  async frameStats(): Promise<FrameStats | null> {
    if (this.#over) return null;
    const report = await this.#peer._pc.getStats();
    const channels = new Map<unknown, Record<string, unknown>>();
    report.forEach((stats: RTCStats & Record<string, unknown>) => {
      if (stats.type === 'data-channel') channels.set(stats['label'], stats);
    });
    const frames = channels.get('frames');
    if (!frames) return channels.has('control') ? { ...this.#lastStats, ended: true } : null;
    const ended = frames['state'] === 'closing' || frames['state'] === 'closed';
    const [sent, received] = [Number(frames['bytesSent']), Number(frames['bytesReceived'])];
    this.#lastStats = { sent, received, ended };
    return this.#lastStats;
  }

  destroy(): void {
    this.#over = true;
    this.#peer.destroy();
  }
}

/** Offers, answers and candidates of simple-peer as ours; what it may say besides is not needed. */
function toPayload(data: unknown): SignalPayload | null {
  const signal = data as {
    readonly type?: string;
    readonly sdp?: string;
    readonly candidate?: RTCIceCandidateInit;
  };
  if (signal.type === 'candidate' && signal.candidate) {
    const { candidate, sdpMid, sdpMLineIndex } = signal.candidate;
    return {
      type: 'candidate',
      candidate: candidate ?? '',
      sdpMid: sdpMid ?? null,
      sdpMLineIndex: sdpMLineIndex ?? null,
    };
  }
  if ((signal.type === 'offer' || signal.type === 'answer') && signal.sdp !== undefined) {
    return { type: signal.type, sdp: signal.sdp };
  }
  return null;
}
