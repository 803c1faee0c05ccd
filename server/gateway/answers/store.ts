import { invariant } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { Clock } from '#lib/kernel/ports.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import {
  admit,
  emptyAdmission,
  quotaOf,
  release,
  retryAfterSeconds,
  type AdmissionState,
  type AnswerSize,
  type ClusterLoad,
  type Quota,
} from '../admission.ts';
import type { GatewayConfig } from '../limits.ts';
import type { AnswerSource } from './chunks.ts';
import type { RetryKey } from './retry-key.ts';
import { AnswerMeter, type EndedAnswer } from './meter.ts';

interface Entry extends AnswerSource {
  readonly openedAt: InstantMs;
  readonly size: AnswerSize;
  readonly readers: Set<symbol>;
  expiry: NodeJS.Timeout | null;
}

/**
 * Answers by id, from admission until nobody can ask for them any more.
 * An answer without a reader is cancelled and forgotten: at once, or `resumableMs` after its last
 * reader left; a finished one that was asked for with a retry key, `retryKeptMs` after it. Finished
 * ones without a reader are bounded by number and by tokens.
 */
export class AnswerStore {
  readonly #config: GatewayConfig;
  readonly #clock: Clock;
  readonly #onEnded: (answer: EndedAnswer) => void;
  /** In order of admission: the first finished one without a reader is the oldest. */
  readonly #entries = new Map<string, Entry>();
  /** The newest answer of each retry key's name. */
  readonly #byKey = new Map<string, Entry>();
  #admission: AdmissionState;
  #closedBy: FaultError | null = null;

  constructor(
    config: GatewayConfig,
    clock: Clock,
    onEnded: (answer: EndedAnswer) => void = () => undefined,
  ) {
    this.#config = config;
    this.#clock = clock;
    this.#onEnded = onEnded;
    this.#admission = emptyAdmission(config);
  }

  quota = (load: ClusterLoad): Quota => quotaOf(this.#admission, load, this.#config);

  retryAfter = (load: ClusterLoad): number =>
    retryAfterSeconds(this.#admission, load, this.#config);

  find = (id: string): AnswerSource | null => this.#entries.get(id) ?? null;

  /**
   * The answer that a request with this key began; one that failed is asked for anew.
   * @throws FaultError `request/key-reused` where that request asked for something else.
   */
  findByKey({ name, digest }: RetryKey): AnswerSource | null {
    const entry = this.#byKey.get(name);
    if (!entry || entry.choices.ending?.kind === 'failed') return null;
    if (entry.facts.retryKey?.digest === digest) return entry;
    throw new FaultError(
      'request/key-reused',
      'This Idempotency-Key belongs to another request: use one key for each.',
    );
  }

  /**
   * Admits an answer; `start` begins its sessions and may throw, which takes the admission back.
   * @throws FaultError `session/queue-full`, `server/stopping`, and what `start` throws.
   */
  open(source: AnswerSource, size: AnswerSize, start: () => void): void {
    if (this.#closedBy) throw this.#closedBy;
    const admitted = admit(this.#admission, size, this.#config);
    if (!admitted) throw new FaultError('session/queue-full', 'the gateway has no room');
    this.#admission = admitted;
    const entry: Entry = {
      ...source,
      size,
      openedAt: this.#clock.now(),
      readers: new Set(),
      expiry: null,
    };
    const meter = new AnswerMeter(source);
    try {
      start();
    } catch (error) {
      this.#admission = release(this.#admission, size, null);
      throw error;
    }
    this.#entries.set(entry.facts.id, entry);
    const key = entry.facts.retryKey;
    if (key) this.#byKey.set(key.name, entry);
    this.#whenEnded(entry, meter);
    this.#makeRoom();
  }

  /** A reader comes; the returned function says that it has gone. */
  attach(id: string): () => void {
    const entry = this.#entries.get(id);
    invariant(entry, 'a reader attaches to an answer that was found');
    if (entry.readers.size >= this.#config.readersPerAnswerMax) {
      throw new FaultError('session/queue-full', 'too many readers of one answer', {
        details: { retryAfterSeconds: 1 },
      });
    }
    const reader = Symbol('reader');
    entry.readers.add(reader);
    if (entry.expiry) clearTimeout(entry.expiry);
    entry.expiry = null;
    return () => {
      if (entry.readers.delete(reader) && entry.readers.size === 0) this.#unattended(entry);
    };
  }

  /** Stops and forgets an answer. */
  drop(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    if (entry.expiry) clearTimeout(entry.expiry);
    this.#entries.delete(id);
    const name = entry.facts.retryKey?.name ?? '';
    if (this.#byKey.get(name) === entry) this.#byKey.delete(name);
    entry.choices.cancel();
  }

  /** The gateway ends: every answer fails with `fault`, and none begins. */
  close(fault: FaultError): void {
    this.#closedBy = fault;
    for (const [id, { choices }] of [...this.#entries]) {
      choices.fail(fault);
      this.drop(id);
    }
  }

  #whenEnded(entry: Entry, meter: AnswerMeter): void {
    const settle = () => {
      meter.look(this.#clock.now());
      if (!entry.choices.ending) return;
      unwatch();
      const worked = entry.choices.session !== null;
      const elapsedMs = worked ? this.#clock.now() - entry.openedAt : null;
      this.#admission = release(this.#admission, entry.size, elapsedMs);
      this.#onEnded(meter.result());
    };
    const unwatch = entry.choices.watch(settle);
    settle();
  }

  #unattended(entry: Entry): void {
    const { id, resumableMs, retryKey } = entry.facts;
    if (this.#entries.get(id) !== entry) return;
    const finished = entry.choices.ending?.kind === 'finished';
    const keptMs = retryKey && finished ? this.#config.retryKeptMs : 0;
    entry.expiry = setTimeout(() => this.drop(id), Math.max(resumableMs, keptMs));
    entry.expiry.unref();
    this.#makeRoom();
  }

  #makeRoom(): void {
    const kept = [...this.#entries.values()].filter(
      ({ choices, readers, expiry }) => choices.ending && readers.size === 0 && expiry,
    );
    let tokens = kept.reduce((sum, entry) => sum + sizeOf(entry), 0);
    let count = kept.length;
    for (const entry of kept) {
      if (count <= this.#config.answersKeptMax && tokens <= this.#config.tokensKeptMax) return;
      this.drop(entry.facts.id);
      tokens -= sizeOf(entry);
      count -= 1;
    }
  }
}

const sizeOf = ({ facts, choices }: AnswerSource): number =>
  facts.promptIds.length + choices.tokens;
