import type { Effect } from '#lib/ledger/pbft/types.ts';

/** What a slot goes through here, as its records on their way to the disk show it. */
export type Phase = 'prepare' | 'commit';

const SLOTS_MAX = 2_048;

/** `propose` and `prepare` 1 and 2, `commit` 3: first bytes of records. */
const COMMIT_RECORD = 3;
/** Type u8, epoch u64, view u64. */
const SEQUENCE_AT = 17;

/**
 * How long slots take: from the proposal to prepared, and from there to executed. A slot that a view
 * change interrupts begins anew.
 */
export class PhaseTimes {
  readonly #observe: (phase: Phase, seconds: number) => void;
  readonly #slots = new Map<number, { proposedAt: number; preparedAt: number | null }>();

  constructor(observe: (phase: Phase, seconds: number) => void) {
    this.#observe = observe;
  }

  take(effect: Effect, nowMs: number): void {
    if (effect.type === 'persist') this.#record(effect.record, nowMs);
    if (effect.type !== 'executed') return;
    const { sequence } = effect.header;
    const slot = this.#slots.get(sequence);
    if (slot?.preparedAt != null) this.#observe('commit', (nowMs - slot.preparedAt) / 1000);
    this.#slots.delete(sequence);
  }

  #record(record: Uint8Array, nowMs: number): void {
    const [type = 0] = record;
    if (type > COMMIT_RECORD || record.length < SEQUENCE_AT + 8) return;
    const view = new DataView(record.buffer, record.byteOffset);
    const sequence = Number(view.getBigUint64(SEQUENCE_AT));
    if (type !== COMMIT_RECORD) {
      if (this.#slots.size >= SLOTS_MAX) this.#slots.clear();
      this.#slots.set(sequence, { proposedAt: nowMs, preparedAt: null });
      return;
    }
    const slot = this.#slots.get(sequence);
    if (slot === undefined) return;
    this.#observe('prepare', (nowMs - slot.proposedAt) / 1000);
    slot.preparedAt = nowMs;
  }
}
