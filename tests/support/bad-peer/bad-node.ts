import type { KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import { makeHello } from '#lib/shard/mesh/hello.ts';
import type { Challenge } from '#lib/shard/mesh/types.ts';
import type { NodeMessage, ServerMessage } from '#lib/shard/wire/node-messages.ts';
import type { Prepare, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { AnswerChecker } from '#server/orchestrator/known-answer-checker.ts';
import { PROFILE } from '#tests/support/profile.ts';
import { Stranger } from './stranger.ts';

/** Faster than any other: the server gives it all the work it can. */
const TEMPTING = { layerMs: [0.01, 0.01, 0.05], headMs: [0.01, 0.01, 0.01] } as const;

export interface Lies {
  /** Who knows the right known answer. */
  readonly checker: AnswerChecker;
  /** Where it is not right. */
  readonly answer?: KnownAnswer;
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
  readonly #stranger: Stranger;
  readonly #lies: Lies;

  constructor(url: string, lies: Lies) {
    this.#lies = lies;
    this.#stranger = new Stranger(url, (message) => this.#take(message));
  }

  get id(): string {
    return this.#stranger.keys.node.id;
  }

  /** Resolves when the server counts on it. */
  async trusted(): Promise<void> {
    await this.hears('trusted');
  }

  hears<T extends ServerMessage['type']>(type: T): Promise<Extract<ServerMessage, { type: T }>> {
    return this.#stranger.hears(type);
  }

  sayOf(message: StageMessage): void {
    this.#say({ type: 'session', message });
  }

  shout(text: string): void {
    this.#stranger.shout(text);
  }

  leave(): void {
    this.#stranger.leave();
  }

  #say(message: NodeMessage): void {
    this.#stranger.say(message);
  }

  #take(message: ServerMessage): void {
    if (message.type === 'ping') {
      this.#say({ type: 'pong', at: message.at, progress: [] });
      return;
    }
    if (message.type === 'challenge') this.#greet(message);
    else if (message.type === 'assign' && message.assignment) {
      const { model, range } = message.assignment;
      this.#say({ type: 'loaded', model, range, networkBytes: 0, cacheBytes: 0 });
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
    this.#say(makeHello(this.#stranger.keys, challenge, { profile, resume: null }));
  }

  async #answer({ id, range, seed, rows }: Extract<ServerMessage, { type: 'known-answer' }>) {
    const question = { range, numerics: 'int16', seed, rows } as const;
    const answer = this.#lies.answer ?? (await this.#lies.checker.expect(question));
    this.#say({ type: 'known-answer', id, answer });
  }
}

/** The rows that `prepare` asks of a node that is the whole route. */
export const filled = ({ session, epoch, resumeAt }: Prepare): StageMessage => ({
  ...{ type: 'report', session, epoch, place: 0, kvLength: resumeAt, keptFrom: resumeAt },
});
