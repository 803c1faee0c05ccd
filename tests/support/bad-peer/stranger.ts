import { io, type Socket } from 'socket.io-client';
import { vi } from 'vitest';
import type { IdentityId } from '#lib/kernel/ids.ts';
import { makeHello, type Hello } from '#lib/shard/mesh/hello.ts';
import { keyPairFromSeed, newNodeKeys, newSeed } from '#lib/shard/mesh/identity.ts';
import { SIGNALING_PATH } from '#lib/shard/mesh/signaling-path.ts';
import type { Challenge } from '#lib/shard/mesh/types.ts';
import type { ServerMessage } from '#lib/shard/wire/node-messages.ts';
import { PROFILE } from '#tests/support/mesh-cluster.ts';

/** A plain socket with keys of its own: it says what it likes, when it likes. */
export class Stranger {
  readonly keys = newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));
  readonly heard: ServerMessage[] = [];
  readonly #socket: Socket;

  constructor(url: string) {
    this.#socket = io(url, {
      ...{ path: SIGNALING_PATH, transports: ['websocket'] },
      ...{ reconnection: false, forceNew: true },
    });
    this.#socket.on('message', (...texts: string[]) => {
      for (const text of texts) this.heard.push(JSON.parse(text) as ServerMessage);
    });
  }

  /** Its hello, right in every point. */
  async hello(): Promise<Hello> {
    const challenge: Challenge = await this.hears('challenge');
    return makeHello(this.keys, challenge, { profile: PROFILE, resume: null });
  }

  say(message: unknown): void {
    this.#socket.emit('message', JSON.stringify(message));
  }

  /** The first message of a type. */
  hears<T extends ServerMessage['type']>(type: T): Promise<Extract<ServerMessage, { type: T }>> {
    return vi.waitFor(
      () => {
        const found = this.heard.find((message) => message.type === type);
        if (!found) throw new Error(`no ${type} yet`);
        return found as Extract<ServerMessage, { type: T }>;
      },
      { timeout: 5_000, interval: 5 },
    );
  }

  leave(): void {
    this.#socket.disconnect();
  }
}
