import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import wrtc from '@roamhq/wrtc';
import type { WebRtc } from '#lib/shard/mesh/types.ts';

const CANDIDATE = /^(candidate:\S+ \d+ udp \d+) (\S+) (\d+) typ host/i;

/**
 * WebRTC of two nodes in this process that find each other over a line of `bytesPerMs` each way, which
 * holds what it cannot carry yet, as a modem does, and on which each packet takes `delayMs`. `near` meets doors in place of the candidates of
 * `far`, and `far` learns of no candidate: it hears `near` through them.
 */
export class SlowLine {
  readonly near: WebRtc;
  readonly far: WebRtc;
  readonly #sockets: Socket[] = [];
  readonly #line: { readonly bytesPerMs: number; readonly delayMs: number };

  constructor(line: { readonly bytesPerMs: number; readonly delayMs: number }) {
    this.#line = line;
    const openDoor = (address: string, port: number) => this.#openDoor(address, port);
    /** Whose descriptions bring no candidates with them. */
    class Bare extends wrtc.RTCPeerConnection {
      override setRemoteDescription({ type, sdp = '' }: RTCSessionDescriptionInit): Promise<void> {
        return super.setRemoteDescription({ type, sdp: sdp.replace(/^a=candidate:.*\r\n/gm, '') });
      }
    }
    class Near extends Bare {
      override async addIceCandidate(candidate: RTCIceCandidateInit): Promise<void> {
        const [, head, address = '', port] = CANDIDATE.exec(candidate.candidate ?? '') ?? [];
        // One door is enough; TCP and other address families would be ways around it.
        if (head === undefined || address.includes(':')) return;
        const door = await openDoor(address, Number(port));
        const text = `${head} ${address} ${door} typ host generation 0`;
        const { sdpMid = null, sdpMLineIndex = null } = candidate;
        await super.addIceCandidate({ candidate: text, sdpMid, sdpMLineIndex });
      }
    }
    class Far extends Bare {
      override addIceCandidate(): Promise<void> {
        return Promise.resolve();
      }
    }
    this.near = { ...wrtc, RTCPeerConnection: Near };
    this.far = { ...wrtc, RTCPeerConnection: Far };
  }

  /** What is on the line is lost. */
  close(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
  }

  /** A port where `near` reaches `far` at `address`:`port`, and hears it. */
  #openDoor(address: string, port: number): Promise<number> {
    const socket = createSocket('udp4');
    this.#sockets.push(socket);
    let near: RemoteInfo | null = null;
    const freeAt = [0, 0];
    const pass = (bytes: Buffer, way: 0 | 1, to: { address: string; port: number }): void => {
      const now = performance.now();
      freeAt[way] = Math.max(freeAt[way] ?? 0, now) + bytes.length / this.#line.bytesPerMs;
      setTimeout(
        () => {
          if (this.#sockets.includes(socket))
            socket.send(bytes, to.port, to.address, () => undefined);
        },
        freeAt[way] - now + this.#line.delayMs,
      );
    };
    socket.on('message', (bytes, from) => {
      if (from.address === address && from.port === port) {
        if (near) pass(bytes, 1, near);
        return;
      }
      near = from;
      pass(bytes, 0, { address, port });
    });
    return new Promise((resolve) => {
      socket.bind(0, address, () => {
        resolve(socket.address().port);
      });
    });
  }
}
