import { instantMs } from '#lib/kernel/units.ts';
import { createReplica, stepReplica, type ReplicaState } from '#lib/ledger/pbft/replica.ts';
import { nextTickAt } from '#lib/ledger/pbft/timers.ts';
import type { Effect, Environment, Now, ReplicaEvent } from '#lib/ledger/pbft/types.ts';
import type { ReplicaStore } from '#lib/ledger/store/server.ts';

/** Where the core's effects go, beside the store. */
export interface DriverPorts {
  readonly store: ReplicaStore;
  readonly send: (to: 'all' | { readonly id: string }, bytes: Uint8Array) => void;
  /** After the store has it. */
  readonly onEffect: (effect: Effect, state: ReplicaState) => void;
}

const LONGEST_SLEEP_MS = 1_000;

const readClocks = (): Now => ({ atMs: instantMs(performance.now()), wallMs: Date.now() });

/**
 * The loop around the core: one event at a time, its effects at once, and a tick when it asks for one.
 * What the core throws is a broken promise of ours, and ends the process.
 */
export class Driver {
  readonly #ports: DriverPorts;
  #state: ReplicaState;
  #timer: NodeJS.Timeout | null = null;
  #wakesAt = Infinity;
  #isClosed = false;

  constructor(env: Environment, ports: DriverPorts) {
    this.#ports = ports;
    this.#state = createReplica(env, readClocks());
  }

  get state(): ReplicaState {
    return this.#state;
  }

  /** From the disk's image on; once, before any other event. */
  start(): void {
    this.step({ type: 'restart', image: this.#ports.store.image });
  }

  /** @returns whether anything came of it. */
  step(event: ReplicaEvent): boolean {
    if (this.#isClosed) return false;
    const before = this.#state;
    const [state, effects] = stepReplica(before, event, readClocks());
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    this.#sleep();
    return state !== before || effects.length > 0;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer ?? undefined);
  }

  #perform(effect: Effect): void {
    if (effect.type === 'send') this.#ports.send(effect.to, effect.bytes);
    else this.#ports.store.write(effect);
    this.#ports.onEffect(effect, this.#state);
  }

  #sleep(): void {
    const now = performance.now();
    const at = Math.min(nextTickAt(this.#state), now + LONGEST_SLEEP_MS);
    // A timer that rings too early finds nothing to do and sleeps again; only a later one is set anew.
    if (this.#timer !== null && this.#wakesAt <= at) return;
    clearTimeout(this.#timer ?? undefined);
    this.#wakesAt = at;
    this.#timer = setTimeout(() => this.#wake(), Math.max(0, Math.ceil(at - now)));
  }

  #wake(): void {
    this.#timer = null;
    this.#wakesAt = Infinity;
    if (performance.now() >= nextTickAt(this.#state)) this.step({ type: 'tick' });
    else this.#sleep();
  }
}
