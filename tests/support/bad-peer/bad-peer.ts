import wrtc from '@roamhq/wrtc';
import { vi } from 'vitest';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import { FRAGMENT_HEADER_BYTES, OutgoingFrame } from '#lib/shard/mesh/fragments.ts';
import { keyPairFromSeed, newNodeKeys, newSeed } from '#lib/shard/mesh/identity.ts';
import { createMesh } from '#lib/shard/mesh/mesh.ts';
import { portByteChannel } from '#lib/shard/mesh/port-byte-channel.ts';
import type { ByteChannel, Mesh, MeshEvent } from '#lib/shard/mesh/types.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import { PROFILE } from '#tests/support/profile.ts';

/** Introduces two nodes, as the server does. */
export type Introduce = (a: NodeId, b: NodeId, options: { readonly relayOnly: boolean }) => void;

/**
 * A peer with a valid key and a valid hello that lends nothing, so that it gets no place; whatever
 * bytes it likes go over its links' real data channels.
 */
export class BadPeer {
  readonly id: NodeId;
  readonly #mesh: Mesh;
  readonly #introduce: Introduce;
  readonly #events: MeshEvent[] = [];
  readonly #channels = new Map<NodeId, ByteChannel>();

  private constructor(url: string, introduce: Introduce) {
    const keys = newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));
    this.id = keys.node.id;
    this.#introduce = introduce;
    this.#mesh = createMesh({
      ...{ url, keys, wrtc, relayOnly: false },
      profile: () => Promise.resolve({ ...PROFILE, memoryLentBytes: 0, storageBytes: 0 }),
      progress: () => [],
      isIdle: () => false,
      onEvent: (event) => {
        this.#events.push(event);
        if (event.type !== 'link-port' || event.port.kind !== 'port') return;
        this.#channels.set(event.peer, portByteChannel(event.port.port));
      },
    });
    this.#mesh.start();
  }

  static async join(url: string, introduce: Introduce): Promise<BadPeer> {
    const peer = new BadPeer(url, introduce);
    await vi.waitFor(() => peer.#last('online'), { timeout: 10_000, interval: 5 });
    return peer;
  }

  /**
   * A new direct link; what was sent on the one before may be lost. A victim's late word about that
   * one may end the new one before it is open: introduced again, as the server does.
   */
  async link(victim: NodeId): Promise<void> {
    for (let tries = 0; tries < 3; tries += 1) {
      this.#events.length = 0;
      this.#introduce(this.id, victim, { relayOnly: false });
      const end = await vi.waitFor(() => this.#endOf(victim), { timeout: 12_000, interval: 2 });
      if (end.type === 'link-closed') continue;
      if (end.path !== 'direct') throw new Error('the test means a data channel');
      return;
    }
    throw new Error('three links were closed before they were open');
  }

  /** One message of the channel: any bytes. Waits while too many are on their way. */
  async say(victim: NodeId, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const channel = this.#channels.get(victim);
    if (!channel) throw new Error('no link to the victim');
    while (channel.bufferedBytes() > RING.bufferedBytesMax / 2) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    channel.send(bytes);
  }

  /** Bytes in the clothes of a frame: what the victim's decoder gets to see. */
  async sayFrame(victim: NodeId, frame: Uint8Array): Promise<void> {
    const withRoom = new Uint8Array(FRAGMENT_HEADER_BYTES + frame.length);
    withRoom.set(frame, FRAGMENT_HEADER_BYTES);
    const outgoing = new OutgoingFrame(withRoom, 0);
    while (outgoing.leftBytes > 0) await this.say(victim, outgoing.next());
  }

  /** The victim has closed the link. */
  async closed(timeout = 10_000): Promise<void> {
    await vi.waitFor(() => this.#last('link-closed'), { timeout, interval: 2 });
  }

  get linked(): boolean {
    return !this.#events.some(({ type }) => type === 'link-closed' || type === 'goodbye');
  }

  leave(): void {
    this.#mesh.stop();
  }

  /** Whether the link to `victim` came to be. */
  #endOf(victim: NodeId): Extract<MeshEvent, { type: 'link-open' | 'link-closed' }> {
    for (const event of this.#events.toReversed()) {
      const isEnd = event.type === 'link-open' || event.type === 'link-closed';
      if (isEnd && event.peer === victim) return event;
    }
    throw new Error(`no link yet, but ${JSON.stringify(this.#events)}`);
  }

  #last<T extends MeshEvent['type']>(type: T): Extract<MeshEvent, { type: T }> {
    const found = this.#events.findLast((event) => event.type === type);
    if (!found) throw new Error(`no ${type} yet, but ${JSON.stringify(this.#events)}`);
    return found as Extract<MeshEvent, { type: T }>;
  }
}
