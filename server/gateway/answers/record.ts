import { invariant } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { TokenLogprobs } from '#lib/webgpu/sampling/logprobs.ts';
import type { Answer, AnswerEvent, RouteView } from '#server/orchestrator/answers.ts';
import type { AnswerText } from './text.ts';

/** One token of an answer and the text it adds; the text may be empty. */
export interface TokenPiece {
  readonly id: number;
  readonly text: string;
  /** Characters of text before it. */
  readonly offset: number;
  readonly logprobs?: TokenLogprobs;
}

export type FinishReason = 'stop' | 'length';

export type Ending =
  | { readonly kind: 'finished'; readonly reason: FinishReason }
  | { readonly kind: 'failed'; readonly fault: FaultError };

export interface RecordOptions {
  readonly text: AnswerText;
  readonly routesKeptMax: number;
}

/**
 * What is known of an answer so far. The orchestrator writes it, readers read it at their own
 * pace: a slow reader holds nothing up, and a second reader sees the same bytes (S12).
 * Piece i is token i of the answer; it never changes once it is there (S1).
 */
export class AnswerRecord {
  readonly #options: RecordOptions;
  readonly #pieces: TokenPiece[] = [];
  readonly #routes: RouteView[] = [];
  readonly #listeners = new Set<() => void>();
  #ending: Ending | null = null;
  #answer: Answer | null = null;
  #queuePosition: number | null = null;
  #cachedTokens = 0;

  constructor(options: RecordOptions) {
    this.#options = options;
  }

  get pieces(): readonly TokenPiece[] {
    return this.#pieces;
  }
  /** In order of `atIndex`; more than one after a failover. */
  get routes(): readonly RouteView[] {
    return this.#routes;
  }
  get ending(): Ending | null {
    return this.#ending;
  }
  get session(): string | null {
    return this.#answer?.session ?? null;
  }
  /** Place in the queue while the answer waits, else `null`. */
  get queuePosition(): number | null {
    return this.#queuePosition;
  }

  /** Ids of the prompt that nobody had to compute. */
  get cachedTokens(): number {
    return this.#cachedTokens;
  }

  /** The session behind the record; one that a stop string has already ended is cancelled. */
  bind(answer: Answer): void {
    this.#answer = answer;
    if (this.#ending) answer.cancel();
  }

  /** Events after the ending are the ring's run-ahead: discarded, not counted (S8). */
  apply(event: AnswerEvent): void {
    if (this.#ending) return;
    switch (event.type) {
      case 'queued':
        this.#queuePosition = event.position;
        return; // Readers tell it with their next comment.
      case 'route':
        this.#queuePosition = null;
        this.#routes.push(event.route);
        if (this.#routes.length > this.#options.routesKeptMax) this.#routes.shift();
        break;
      case 'prefix-hit':
        this.#cachedTokens = event.positions;
        return; // Told with the usage.
      case 'token':
        invariant(event.index === this.#pieces.length, 'tokens come once an index, in order');
        this.accept(event.id, event.finish, event.logprobs);
        break;
      case 'cancelled':
        this.#end({ kind: 'failed', fault: new FaultError('session/cancelled', 'stopped') });
        break;
      case 'lost':
        this.#end({ kind: 'failed', fault: event.fault });
        break;
    }
    for (const listener of this.#listeners) listener();
  }

  /** The next token; also those a resuming page has already (S13). */
  accept(id: number, finish: FinishReason | null, logprobs?: TokenLogprobs): void {
    const { text, stopped } = this.#options.text.push(id, finish !== null);
    const before = this.#pieces.at(-1);
    const offset = before ? before.offset + before.text.length : 0;
    this.#pieces.push({ id, text, offset, ...(logprobs && { logprobs }) });
    if (stopped) {
      this.#end({ kind: 'finished', reason: 'stop' });
      this.#answer?.cancel();
    } else if (finish) {
      this.#end({ kind: 'finished', reason: finish });
    }
  }

  /** Stop, hang-up: the nodes are free within a second (S10). Idempotent. */
  cancel(): void {
    if (this.#ending) return;
    this.#answer?.cancel();
    this.apply({ type: 'cancelled' });
  }

  /** The gateway gives the answer up; its session ends, too. */
  fail(fault: FaultError): void {
    if (this.#ending) return;
    this.apply({ type: 'lost', fault });
    this.#answer?.cancel();
  }

  /** Calls `listener` after every change; returns what ends that. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #end(ending: Ending): void {
    this.#ending = ending;
    this.#queuePosition = null;
  }
}
