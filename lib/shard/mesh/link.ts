import { unreachable } from '#lib/kernel/assert.ts';
import type { FaultCode } from '#lib/kernel/errors.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { Clock } from '#lib/kernel/ports.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import type { CreditChannel } from './credit-channel.ts';
import { DirectPath } from './direct-path.ts';
import { beat, heard, newHeartbeat, ponged, type Heartbeat } from './heartbeat.ts';
import type { KeyPair } from './identity.ts';
import { decodeLinkMessage, encodeLinkMessage, type LinkMessage } from './link-message.ts';
import { MESH } from './limits.ts';
import { portByteChannel } from './port-byte-channel.ts';
import { pump } from './pump.ts';
import { RelayPath } from './relay-path.ts';
import { rtcByteChannel } from './rtc-byte-channel.ts';
import type { SignalPayload } from './signal-payload.ts';
import { openSignal, signSignal, type SignedSignal } from './signed-signal.ts';
import {
  carArrived,
  isTrainDue,
  NEW_SPEED,
  nextTrain,
  speedOf,
  trainTold,
  type Arriving,
} from './train.ts';
import { canTransferDataChannels } from './transferable.ts';
import type { Challenge, LinkInfo, LinkPath, LinkPort, WebRtc } from './types.ts';

export interface LinkOptions {
  readonly self: KeyPair<NodeId>;
  readonly peer: NodeId;
  readonly link: string;
  readonly initiator: boolean;
  /** Skip the direct attempt. */
  readonly relayOnly: boolean;
  readonly iceServers: Challenge['iceServers'];
  readonly iceTransportPolicy: 'all' | 'relay';
  readonly wrtc: WebRtc | undefined;
  readonly clock: Clock;
  /** Nothing of this node's own is on its links. */
  readonly isIdle: () => boolean;
  /** To the peer, through the server. */
  readonly sendSignal: (signed: SignedSignal) => void;
  readonly sendRelay: (bytes: Uint8Array) => void;
  readonly onPort: (port: LinkPort) => void;
  readonly onOpen: (path: LinkPath) => void;
  readonly onClosed: (why: FaultCode) => void;
}

type Phase =
  | { readonly kind: 'direct'; readonly path: DirectPath; readonly open: boolean }
  /** We go by the relay and wait for the peer to say so too. */
  | { readonly kind: 'meeting' }
  | { readonly kind: 'relay'; readonly path: RelayPath }
  | { readonly kind: 'closed' };

/**
 * One link to one peer: a direct path where one forms in 5 s, else the relay (M6). Whatever fails
 * later closes it: there is no ICE restart, the orchestrator introduces the two again.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #transferred: boolean;
  #phase: Phase;
  #path: LinkPath;
  /** What this thread pumps to the worker's port; null while there is none, or the worker has it. */
  #wire: CreditChannel | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #heartbeat: Heartbeat;
  #speed = NEW_SPEED;
  /** A train of the peer's, as it comes in. */
  #arriving: Arriving | null = null;
  /** When a message of a train came last. */
  #carAt = -Infinity;
  #beats = 0;
  #bytes = { sent: 0, received: 0 };

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#heartbeat = newHeartbeat(options.clock.now());
    this.#transferred = options.wrtc === undefined && canTransferDataChannels();
    this.#phase = { kind: 'meeting' };
    this.#path = options.relayOnly ? 'relay' : 'direct';
    if (options.relayOnly) this.#goByRelay();
    else this.#tryDirect();
  }

  get info(): LinkInfo {
    const phase = this.#phase;
    const open = phase.kind === 'relay' || (phase.kind === 'direct' && phase.open);
    const bytes = phase.kind === 'relay' ? phase.path.bytes : this.#bytes;
    return {
      peer: this.#options.peer,
      path: this.#path,
      state: phase.kind === 'closed' ? 'closed' : open ? 'open' : 'connecting',
      rttMs: this.#heartbeat.rttMs,
      bytesPerMs: speedOf(this.#speed, this.#options.clock.now()),
      bytesSent: bytes.sent,
      bytesReceived: bytes.received,
    };
  }

  /** A signal of the peer, stamped by the server. */
  takeSignal(signed: SignedSignal): void {
    const { self, peer, link } = this.#options;
    const opened = openSignal({ link, from: peer, to: self.id }, signed);
    if (!opened.ok) {
      this.close(opened.code);
    } else if (opened.payload.type === 'relay') {
      this.#meetAtRelay();
    } else if (this.#phase.kind === 'direct' && !this.#phase.path.take(opened.payload)) {
      this.close('mesh/refused');
    }
  }

  takeRelay(bytes: Uint8Array): void {
    if (this.#phase.kind === 'relay') this.#takeMessage(bytes);
  }

  /** With each ping of the server. */
  beat(): void {
    const open = this.info.state === 'open';
    const now = this.#options.clock.now();
    const { state, dead } = beat(this.#heartbeat, now);
    this.#heartbeat = open ? state : newHeartbeat(now);
    if (!open) return;
    if (dead) {
      this.close('mesh/closed');
      return;
    }
    this.#sendMessage({ type: 'ping', at: now });
    this.#beats += 1;
    if (this.#beats % MESH.countEveryBeats === 0) void this.#count();
  }

  /** Sends a train where one is due; by the relay it is the lines of both to the server. @returns whether it did. */
  measure(): boolean {
    const now = this.#options.clock.now();
    // A pong behind a train says nothing of the round trip: that is known first.
    if (
      this.info.state !== 'open' ||
      this.#heartbeat.rttMs === null ||
      !isTrainDue(this.#speed, now)
    )
      return false;
    const { speed, cars } = nextTrain(this.#speed, now);
    this.#speed = speed;
    for (const car of cars) this.#sendMessage({ type: 'car', car, bytes: MESH.trainCarBytes });
    return true;
  }

  /** Idempotent. The peer hears it from its own channel, or from the server. */
  close(why: FaultCode): void {
    if (this.#phase.kind === 'closed') return;
    this.#enter({ kind: 'closed' });
    this.#options.onClosed(why);
  }

  #tryDirect(): void {
    const { initiator, iceServers, iceTransportPolicy, wrtc } = this.#options;
    const path = DirectPath.make({
      initiator,
      iceServers,
      iceTransportPolicy,
      wrtc,
      onSignal: (payload) => {
        this.#sendSignal(payload);
      },
      onOpen: () => {
        this.#openDirect();
      },
      onControl: (bytes) => {
        this.#takeMessage(bytes);
      },
      onClose: () => {
        if (this.#phase.kind === 'direct' && this.#phase.open) this.close('mesh/closed');
        else this.#goByRelay();
      },
    });
    if (!path) {
      this.#goByRelay();
      return;
    }
    this.#phase = { kind: 'direct', path, open: false };
    this.#after(TIMES.directPathMs, () => {
      this.#goByRelay();
    });
    if (this.#transferred) this.#options.onPort({ kind: 'rtc', channel: path.frames });
  }

  #openDirect(): void {
    if (this.#phase.kind !== 'direct') return;
    const { path } = this.#phase;
    this.#stopTimer();
    this.#phase = { kind: 'direct', path, open: true };
    this.#heartbeat = newHeartbeat(this.#options.clock.now());
    if (!this.#transferred) this.#handPort(rtcByteChannel(path.frames, { manual: true }));
    this.#options.onOpen('direct');
  }

  /** Tells the peer, and waits for its word: frames before it would meet nobody. */
  #goByRelay(): void {
    this.#enter({ kind: 'meeting' });
    this.#sendSignal({ type: 'relay' });
    this.#after(TIMES.directPathMs * 2, () => {
      this.close('mesh/no-path');
    });
  }

  #meetAtRelay(): void {
    const phase = this.#phase;
    if (phase.kind === 'closed' || phase.kind === 'relay') return;
    // The peer gave up on the direct path in the moment in which it opened here.
    if (phase.kind === 'direct' && phase.open) {
      this.close('mesh/no-path');
      return;
    }
    if (phase.kind === 'direct') this.#goByRelay();
    const path = new RelayPath(this.#options.sendRelay);
    this.#enter({ kind: 'relay', path });
    this.#heartbeat = newHeartbeat(this.#options.clock.now());
    this.#handPort(path.channel);
    this.#options.onOpen('relay');
  }

  /** The worker's end of a port that this thread pumps. */
  #handPort(wire: CreditChannel): void {
    const { port1, port2 } = new MessageChannel();
    this.#wire = wire;
    wire.onClose(() => {
      if (this.#wire === wire) this.close('mesh/closed');
    });
    pump(portByteChannel(port1, { manual: true }), wire);
    this.#options.onPort({ kind: 'port', port: port2 });
  }

  #takeMessage(bytes: Uint8Array): void {
    const message = decodeLinkMessage(bytes);
    if (!message) {
      this.close('wire/malformed');
      return;
    }
    const now = this.#options.clock.now();
    this.#heartbeat = heard(this.#heartbeat, now);
    switch (message.type) {
      case 'ping':
        this.#sendMessage({ type: 'pong', at: message.at });
        return;
      case 'pong':
        if (this.#heartbeat.rttMs === null || message.at > this.#carAt)
          this.#heartbeat = ponged(this.#heartbeat, message.at, now);
        return;
      case 'car':
        this.#takeCar(message, now);
        return;
      case 'train':
        this.#speed = trainTold(this.#speed, message, now);
        return;
      case 'data':
      case 'credit':
      case 'end':
        if (this.#phase.kind === 'relay') this.#phase.path.take(message);
        else this.close('mesh/refused');
        return;
      default:
        unreachable(message);
    }
  }

  /** While this node works, its threads and its line are not the link's. */
  #takeCar(message: Extract<LinkMessage, { type: 'car' }>, now: InstantMs): void {
    if (!this.#options.isIdle()) {
      this.#arriving = null;
      return;
    }
    this.#carAt = now;
    const { train, told } = carArrived(this.#arriving, message.car, now);
    this.#arriving = train;
    if (told !== null)
      this.#sendMessage({ type: 'train', round: message.car.round, bytesPerMs: told });
  }

  #sendMessage(message: LinkMessage): void {
    const bytes = encodeLinkMessage(message);
    if (this.#phase.kind === 'relay') this.#options.sendRelay(bytes);
    else if (this.#phase.kind === 'direct') this.#phase.path.sendControl(bytes);
  }

  #sendSignal(payload: SignalPayload): void {
    const { self, peer, link } = this.#options;
    this.#options.sendSignal(signSignal(self, { link, from: self.id, to: peer }, payload));
  }

  /** Counts bytes, and notices the end of a channel that only its worker hears of. */
  async #count(): Promise<void> {
    const phase = this.#phase;
    if (phase.kind !== 'direct') return;
    const stats = await phase.path.frameStats();
    if (!stats || this.#phase !== phase) return;
    this.#bytes = stats;
    if (stats.ended) this.close('mesh/closed');
  }

  /** Frees what the phase before held; nothing it says from now on is heard. */
  #enter(phase: Phase): void {
    const before = this.#phase;
    this.#phase = phase;
    if (phase.kind === 'meeting') this.#path = 'relay';
    this.#stopTimer();
    if (before.kind === 'direct') before.path.destroy();
    this.#wire?.close();
    this.#wire = null;
  }

  #after(ms: number, run: () => void): void {
    this.#timer = setTimeout(run, ms);
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
