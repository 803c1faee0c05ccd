import { FaultError, type FaultCode, type FaultWire } from '#lib/kernel/errors.ts';
import type { NodeKeys } from '#lib/shard/mesh/identity.ts';
import { createMesh } from '#lib/shard/mesh/mesh.ts';
import type {
  Challenge,
  LinkInfo,
  Mesh,
  MeshEvent,
  NewsMessage,
  WebRtc,
} from '#lib/shard/mesh/types.ts';
import type { NodeProfile } from '#lib/shard/wire/node-messages.ts';
import type { Progress } from '#lib/shard/wire/session-messages.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { NODE } from './limits.ts';
import type { ModelRef } from './node-state.ts';

export interface ServerDoorOptions {
  readonly url: string;
  readonly keys: NodeKeys;
  readonly relayOnly: boolean;
  readonly wrtc?: WebRtc;
  readonly insecure?: boolean;
  readonly progress: () => readonly Progress[];
  readonly isIdle: () => boolean;
  /** Once a contact: the model to measure for. */
  readonly onModel: (model: ModelRef) => void;
  readonly onEvent: (event: MeshEvent) => void;
  readonly onFailed: (fault: FaultWire) => void;
}

interface Greeting {
  readonly model: ModelRef;
  readonly profile: () => NodeProfile;
}

interface Waiting {
  readonly answer: (profile: NodeProfile) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * The way to the server. A contact asks which model it serves; the hello goes out when the node has
 * measured itself for it. The server waits 5 s for a hello, so a contact that takes longer is let
 * go in time, and the greeting connects anew.
 */
export class ServerDoor {
  readonly #options: ServerDoorOptions;
  #mesh: Mesh | null = null;
  #greeting: Greeting | null = null;
  #waiting: Waiting | null = null;
  #asked = false;

  constructor(options: ServerDoorOptions) {
    this.#options = options;
  }

  contact(): void {
    this.stop();
    this.#open();
  }

  /** Lets the server go while the node is busy with itself; `greet` comes back. */
  hangUp(): void {
    this.#mesh?.stop();
    this.#mesh = null;
    if (this.#waiting) clearTimeout(this.#waiting.timer);
    this.#waiting = null;
  }

  /** `profile` is asked at each connection: what is cached grows. */
  greet(model: ModelRef, profile: () => NodeProfile): void {
    this.#greeting = { model, profile };
    const waiting = this.#waiting;
    if (waiting) {
      clearTimeout(waiting.timer);
      this.#waiting = null;
      waiting.answer(profile());
      return;
    }
    this.hangUp();
    this.#open();
  }

  /** False where it was not sent: the socket is closed. */
  send(message: NewsMessage): boolean {
    return this.#mesh?.send(message) ?? false;
  }

  links(): LinkInfo[] {
    return this.#mesh?.info() ?? [];
  }

  closeLink(peer: NodeId, why: FaultCode): void {
    this.#mesh?.closeLink(peer, why);
  }

  stop(): void {
    this.hangUp();
    this.#greeting = null;
    this.#asked = false;
  }

  #open(): void {
    const { url, keys, relayOnly, wrtc, insecure, progress, isIdle, onEvent } = this.#options;
    this.#mesh = createMesh({
      ...{ url, keys, relayOnly, progress, isIdle, onEvent },
      profile: (challenge) => this.#onChallenge(challenge),
      ...(wrtc ? { wrtc } : {}),
      ...(insecure ? { insecure } : {}),
    });
    this.#mesh.start();
  }

  #onChallenge({ model }: Challenge): Promise<NodeProfile> {
    const greeting = this.#greeting;
    if (greeting && greeting.model.hash === model?.hash) return Promise.resolve(greeting.profile());
    return new Promise((answer) => {
      const timer = setTimeout(() => this.hangUp(), NODE.challengeFreshMs);
      this.#waiting = { answer, timer };
      if (!model) this.#fail('request/model-not-found', 'the server serves no model just now');
      else if (greeting) this.#fail('mesh/closed', 'the server serves another model now');
      else if (!this.#asked) this.#options.onModel(model);
      this.#asked = true;
    });
  }

  #fail(code: FaultCode, message: string): void {
    this.#options.onFailed(new FaultError(code, message).toWire());
  }
}
