import { FaultError } from '#lib/kernel/errors.ts';

interface SilenceLimits {
  readonly silenceMs: number;
  /** For all of it, however lively. */
  readonly totalMs: number;
}

/** Fires `signal` once nothing was heard for long: what is slow may go on, what is dead may not. */
export class Silence {
  readonly #limits: SilenceLimits;
  readonly #abort = new AbortController();
  readonly #endsAt: number;
  #heardAt = performance.now();
  /** One timer, however often something is heard. */
  #timer: ReturnType<typeof setTimeout>;

  constructor(limits: SilenceLimits) {
    this.#limits = limits;
    this.#endsAt = this.#heardAt + limits.totalMs;
    this.#timer = setTimeout(() => this.#look(), limits.silenceMs);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  heard(): void {
    this.#heardAt = performance.now();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const { silenceMs, totalMs } = this.#limits;
    const now = performance.now();
    const leftMs = Math.min(this.#heardAt + silenceMs, this.#endsAt) - now;
    if (leftMs > 0) {
      this.#timer = setTimeout(() => this.#look(), leftMs);
      return;
    }
    const why = now < this.#endsAt ? `no byte in ${silenceMs} ms` : `not whole in ${totalMs} ms`;
    this.#abort.abort(new FaultError('package/fetch-failed', why));
  }
}
