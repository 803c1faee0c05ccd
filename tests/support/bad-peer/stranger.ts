import { io, type Socket } from 'socket.io-client';
import { vi } from 'vitest';
import type { IdentityId } from '#lib/kernel/ids.ts';
import { makeHello, type Hello } from '#lib/shard/mesh/hello.ts';
import { keyPairFromSeed, newNodeKeys, newSeed } from '#lib/shard/mesh/identity.ts';
import { SIGNALING_PATH } from '#lib/shard/mesh/signaling-path.ts';
import type { Challenge } from '#lib/shard/mesh/types.ts';
import type { ServerMessage } from '#lib/shard/wire/node-messages.ts';
import { PROFILE } from '#tests/support/profile.ts';

/** A plain socket with keys of its own: it says what it likes, when it likes. */
export class Stranger {
  readonly keys = newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));
  readonly heard: ServerMessage[] = [];
  readonly #socket: Socket;

  /** @param onMessage after the message is in `heard`. */
  constructor(url: string, onMessage: (message: ServerMessage) => void = () => undefined) {
    this.#socket = io(url, {
      ...{ path: SIGNALING_PATH, transports: ['websocket'] },
      ...{ reconnection: false, forceNew: true },
    });
    this.#socket.on('message', (...texts: string[]) => {
      for (const text of texts) {
        const message = JSON.parse(text) as ServerMessage;
        this.heard.push(message);
        onMessage(message);
      }
    });
  }

  /** Its hello, right in every point. */
  async hello(): Promise<Hello> {
    const challenge: Challenge = await this.hears('challenge');
    return makeHello(this.keys, challenge, { profile: PROFILE, resume: null });
  }

  say(message: unknown): void {
    this.shout(JSON.stringify(message));
  }

  /** Any text at all. */
  shout(text: string): void {
    this.#socket.emit('message', text);
  }

  /** The first message of a type. */
  hears<T extends ServerMessage['type']>(
    type: T,
    timeout = 10_000,
  ): Promise<Extract<ServerMessage, { type: T }>> {
    return vi.waitFor(
      () => {
        const found = this.heard.find((message) => message.type === type);
        if (!found) throw new Error(`no ${type} in ${this.heard.map((one) => one.type).join()}`);
        return found as Extract<ServerMessage, { type: T }>;
      },
      { timeout, interval: 5 },
    );
  }

  leave(): void {
    this.#socket.disconnect();
  }
}
