import type { NewsMessage } from '#lib/shard/mesh/types.ts';
import type { HostSnapshot } from '#lib/shard/stage/host-protocol.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { NODE } from './limits.ts';
import type { VolunteerSnapshot } from './volunteer-port.ts';

/** What the server is told of a node's state and work: on change, and no more than once a second. */
export class ServerNews {
  readonly #send: (message: NewsMessage) => boolean;
  #phase = '';
  #stateText = '';
  #stateAt = -Infinity;
  #loadText = '';
  #loadAt = -Infinity;

  constructor(send: (message: NewsMessage) => boolean) {
    this.#send = send;
  }

  /** A new incarnation: the server knows nothing yet. */
  reset(): void {
    this.#phase = '';
    this.#stateText = '';
    this.#loadText = '';
    this.#stateAt = this.#loadAt = -Infinity;
  }

  tellState(snapshot: VolunteerSnapshot, now: number): void {
    const { phase, bytesLoaded, bytesTotal } = snapshot;
    if (phase === 'off') return;
    const text = `${phase}/${bytesLoaded}/${bytesTotal}`;
    if (text === this.#stateText) return;
    if (phase === this.#phase && now - this.#stateAt < NODE.reportEveryMs) return;
    if (!this.#send({ type: 'state', state: phase, bytesLoaded, bytesTotal })) return;
    this.#phase = phase;
    this.#stateText = text;
    this.#stateAt = now;
  }

  tellLoad(worker: HostSnapshot, now: number): void {
    if (now - this.#loadAt < NODE.reportEveryMs) return;
    const { sessions, tokensServed, stepMsP50, stepRows, steps, pagesFree } = worker;
    const linkRates = worker.linkRates.slice(0, WIRE.linksPerNodeMax);
    const figures = { sessions, tokensServed, stepMsP50, stepRows, steps, pagesFree, linkRates };
    const message = { type: 'load', ...figures } as const;
    const text = JSON.stringify(message);
    if (text === this.#loadText || !this.#send(message)) return;
    this.#loadText = text;
    this.#loadAt = now;
  }
}
