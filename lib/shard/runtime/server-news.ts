import type { LinkInfo, NewsMessage } from '#lib/shard/mesh/types.ts';
import type { HostSnapshot } from '#lib/shard/stage/host-protocol.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import type { LinkRate } from '#lib/shard/wire/node-messages.ts';
import { NODE } from './limits.ts';
import type { VolunteerSnapshot } from './volunteer-port.ts';

interface Load {
  readonly worker: HostSnapshot;
  readonly links: readonly LinkInfo[];
}

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

  tellLoad({ worker, links }: Load, now: number): void {
    if (now - this.#loadAt < NODE.reportEveryMs) return;
    const { sessions, tokensServed, stepMsP50, stepRows, steps, pagesFree } = worker;
    const linkRates = ratesOf(links).slice(0, WIRE.linksPerNodeMax);
    const figures = { sessions, tokensServed, stepMsP50, stepRows, steps, pagesFree, linkRates };
    const message = { type: 'load', ...figures } as const;
    const text = JSON.stringify(message);
    if (text === this.#loadText || !this.#send(message)) return;
    this.#loadText = text;
    this.#loadAt = now;
  }
}

/** To the next tenth: a speed is no finer, and each change is a message. */
const ratesOf = (links: readonly LinkInfo[]): LinkRate[] =>
  links.flatMap(({ peer, bytesPerMs }) =>
    bytesPerMs === null ? [] : { peer, bytesPerMs: Math.max(1, roughly(bytesPerMs)) },
  );

const roughly = (value: number): number =>
  Math.round(1.1 ** Math.round(Math.log(value) / Math.log(1.1)));
