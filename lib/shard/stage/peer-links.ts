import type { NodeId } from '#lib/kernel/ids.ts';
import type { LinkPath } from '#lib/shard/mesh/types.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';

/** What the host needs of a frame channel; `lib/shard/mesh/frame-channel.ts` is one. */
export interface FrameLink {
  send(...frames: readonly Frame[]): void;
  onFrames(listener: (frames: readonly Frame[]) => void): void;
  /** `closed`, `overflow`, or why the peer's bytes were refused (M4). */
  onClose(listener: (why: string) => void): void;
  close(): void;
}

export interface PeerLinkEvents {
  readonly frames: (from: NodeId, frames: readonly Frame[]) => void;
  readonly open: (peer: NodeId, path: LinkPath) => void;
  readonly closed: (peer: NodeId) => void;
  /** It sent what is not a frame. */
  readonly rejected: (peer: NodeId, why: string) => void;
}

interface Entry {
  readonly link: string;
  readonly channel: FrameLink;
  open: boolean;
}

/**
 * One frame link a peer; the newest wins. An open one that ends or is replaced counts as closed,
 * even when another opens at once: what was in flight is lost (S4). One that never opened counts
 * for nothing: a relay may take the place of a direct path that did not form.
 */
export class PeerLinks {
  readonly #entries = new Map<NodeId, Entry>();
  readonly #events: PeerLinkEvents;

  constructor(events: PeerLinkEvents) {
    this.#events = events;
  }

  /** A channel of link `link`; frames that are sent before it opens wait in it. */
  add(peer: NodeId, link: string, channel: FrameLink): void {
    this.#end(peer);
    const entry: Entry = { link, channel, open: false };
    this.#entries.set(peer, entry);
    channel.onFrames((frames) => {
      if (this.#entries.get(peer) === entry) this.#events.frames(peer, frames);
    });
    channel.onClose((why) => {
      if (this.#entries.get(peer) !== entry) return;
      this.#end(peer);
      if (why !== 'closed' && why !== 'overflow') this.#events.rejected(peer, why);
    });
  }

  opened(peer: NodeId, link: string, path: LinkPath): void {
    const entry = this.#entries.get(peer);
    if (entry?.link !== link || entry.open) return;
    entry.open = true;
    this.#events.open(peer, path);
  }

  /** Null closes whatever link the peer has. */
  close(peer: NodeId, link: string | null): void {
    if (link === null || this.#entries.get(peer)?.link === link) this.#end(peer);
  }

  /** False where there is no link: the frames are lost, and the caller must treat it as closed. */
  send(peer: NodeId, frames: readonly Frame[]): boolean {
    const entry = this.#entries.get(peer);
    entry?.channel.send(...frames);
    return entry !== undefined;
  }

  closeAll(): void {
    for (const { channel } of this.#entries.values()) channel.close();
    this.#entries.clear();
  }

  #end(peer: NodeId): void {
    const entry = this.#entries.get(peer);
    if (!entry) return;
    this.#entries.delete(peer);
    entry.channel.close();
    if (entry.open) this.#events.closed(peer);
  }
}
