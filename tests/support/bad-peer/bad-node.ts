import { io, type Socket } from 'socket.io-client';
import { vi } from 'vitest';
import type { IdentityId } from '#lib/kernel/ids.ts';
import { makeHello } from '#lib/shard/mesh/hello.ts';
import { keyPairFromSeed, newNodeKeys, newSeed } from '#lib/shard/mesh/identity.ts';
import { SIGNALING_PATH } from '#lib/shard/mesh/signaling-path.ts';
import type { Challenge } from '#lib/shard/mesh/types.ts';
import type { NodeMessage, ServerMessage } from '#lib/shard/wire/node-messages.ts';
import type { Prepare, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { AnswerChecker } from '#server/orchestrator/known-answer-checker.ts';
import { PROFILE } from '#tests/support/mesh-cluster.ts';

/** Faster than any other: the server gives it all the work it can. */
const TEMPTING = { layerMs: [0.01, 0.01, 0.05], headMs: [0.01, 0.01, 0.01] } as const;

export interface Lies {
  /** Who knows the right known answer. */
  readonly checker: AnswerChecker;
  /** Where it is not right. */
  readonly digest?: string;
  /** What it does with an order of a session; `say` is a word of its own. */
  readonly onSession?: (
    message: Extract<ServerMessage, { type: 'session' }>['message'],
    node: BadNode,
  ) => void;
}

/**
 * A node with a valid key and a fast profile behind a plain socket: it says that it has loaded what
 * it was assigned, gives the right known answer, and from then on does as its lies say.
 */
export class BadNode {
  readonly keys = newNodeKeys(keyPairFromSeed<IdentityId>(newSeed()));
  readonly heard: ServerMessage[] = [];
  readonly #socket: Socket;
  readonly #lies: Lies;

  constructor(url: string, lies: Lies) {
    this.#lies = lies;
    this.#socket = io(url, {
      ...{ path: SIGNALING_PATH, transports: ['websocket'] },
      ...{ reconnection: false, forceNew: true },
    });
    this.#socket.on('message', (...texts: string[]) => {
      for (const text of texts) this.#take(JSON.parse(text) as ServerMessage);
    });
  }

  get id(): string {
    return this.keys.node.id;
  }

  /** Resolves when the server counts on it. */
  async trusted(): Promise<void> {
    await this.hears('trusted');
  }

  async hears<T extends ServerMessage['type']>(
    type: T,
    timeout = 10_000,
  ): Promise<Extract<ServerMessage, { type: T }>> {
    return vi.waitFor(
      () => {
        const found = this.heard.find((message) => message.type === type);
        if (!found)
          throw new Error(`no ${type} in ${JSON.stringify(this.heard.map((m) => m.type))}`);
        return found as Extract<ServerMessage, { type: T }>;
      },
      { timeout, interval: 10 },
    );
  }

  say(message: NodeMessage): void {
    this.shout(JSON.stringify(message));
  }

  sayOf(message: StageMessage): void {
    this.say({ type: 'session', message });
  }

  /** Any text at all. */
  shout(text: string): void {
    this.#socket.emit('message', text);
  }

  leave(): void {
    this.#socket.disconnect();
  }

  #take(message: ServerMessage): void {
    if (message.type === 'ping') {
      this.say({ type: 'pong', at: message.at, progress: [] });
      return;
    }
    this.heard.push(message);
    if (message.type === 'challenge') this.#greet(message);
    else if (message.type === 'assign' && message.assignment) {
      const { model, range } = message.assignment;
      this.say({ type: 'loaded', model, range, networkBytes: 0, cacheBytes: 0 });
    } else if (message.type === 'known-answer') void this.#answer(message);
    else if (message.type === 'session') this.#lies.onSession?.(message.message, this);
  }

  #greet(challenge: Challenge): void {
    const profile = {
      ...PROFILE,
      ...{ device: 'a liar', measuredFor: challenge.model?.hash ?? PROFILE.measuredFor },
      layerMs: [...TEMPTING.layerMs] as [number, number, number],
      headMs: [...TEMPTING.headMs] as [number, number, number],
    };
    this.say(makeHello(this.keys, challenge, { profile, resume: null }));
  }

  async #answer({ id, range, seed, rows }: Extract<ServerMessage, { type: 'known-answer' }>) {
    const question = { range, numerics: 'int16', seed, rows } as const;
    const digest = this.#lies.digest ?? (await this.#lies.checker.expect(question));
    this.say({ type: 'known-answer', id, digest });
  }
}

/** The rows that `prepare` asks of a node that is the whole route. */
export const filled = ({ session, epoch, resumeAt }: Prepare): StageMessage => ({
  ...{ type: 'report', session, epoch, place: 0, kvLength: resumeAt, keptFrom: resumeAt },
});
