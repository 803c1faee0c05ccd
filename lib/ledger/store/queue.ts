import { invariant, unreachable } from '#lib/kernel/assert.ts';
import type { Effect, Evidence } from '#lib/ledger/pbft/types.ts';
import type { LogEntry } from './log-writer.ts';
import { STORE } from './limits.ts';

export type StableEffect = Extract<Effect, { type: 'stable' }>;
export type ExecutedEffect = Extract<Effect, { type: 'executed' }>;

interface QueuedRecord extends LogEntry {
  readonly type: 'record';
  readonly id: number;
  /** The state that it speaks of. */
  state: StableEffect | null;
}

type Queued =
  | QueuedRecord
  | { readonly type: 'block'; readonly executed: ExecutedEffect }
  | { readonly type: 'evidence'; readonly evidence: Evidence }
  | { readonly type: 'amnesia' };

/** What goes to disk with one sync. */
export interface Group {
  /** First of all; or, where the log leads to it, after the others, and keeping nobody waiting. */
  readonly state: StableEffect | null;
  /** Where there is a state: the last record that tells again what counted before it. */
  readonly toldAgainId: number;
  readonly records: readonly LogEntry[];
  /** All records up to this one are on disk with this group; 0: none in it. */
  readonly lastId: number;
  readonly blocks: readonly ExecutedEffect[];
  readonly evidence: readonly Evidence[];
  /** Before any record of it: this key signs never again. */
  readonly amnesia: boolean;
}

/** What the core says that belongs on disk. */
export type StoredEffect = Extract<
  Effect,
  { type: 'persist' | 'stable' | 'executed' | 'evidence' | 'amnesia' }
>;

/** What the core wants on disk, in its order. */
export class StoreQueue {
  #items: Queued[] = [];

  add(effect: StoredEffect): void {
    switch (effect.type) {
      case 'persist': {
        const { id, record, epoch, view } = effect;
        this.#items.push({ type: 'record', id, record, epoch, view, state: null });
        return;
      }
      case 'stable': {
        const record = this.#items.findLast(
          (item): item is QueuedRecord => item.type === 'record' && item.id === effect.recordId,
        );
        invariant(record !== undefined, 'a state comes in the step of its record');
        record.state = effect;
        return;
      }
      case 'executed':
        this.#items.push({ type: 'block', executed: effect });
        return;
      case 'evidence':
        this.#items.push({ type: 'evidence', evidence: effect.evidence });
        return;
      case 'amnesia':
        this.#items.push({ type: 'amnesia' });
        return;
      default:
        unreachable(effect);
    }
  }

  get length(): number {
    return this.#items.length;
  }

  /**
   * All that waits, but no more than one group may hold, one state at most, and only up to the next
   * record that a state must be on disk before: a log that speaks of a checkpoint never comes without its
   * state or what leads to it, for if every replica had lost that nobody could give it.
   */
  take(): Group {
    const records: QueuedRecord[] = [];
    const blocks: ExecutedEffect[] = [];
    const evidence: Evidence[] = [];
    let amnesia = false;
    let bytes = 0;
    let taken = 0;
    let stated: QueuedRecord | null = null;
    for (const item of this.#items) {
      if (item.type === 'record') {
        bytes += item.record.length;
        const isFull = bytes > STORE.groupBytesMax;
        const isApart = item.state !== null && (stated !== null || !item.state.leadsHere);
        if (records.length > 0 && (isFull || isApart)) break;
        if (item.state !== null) stated = item;
        records.push(item);
      } else if (item.type === 'block') blocks.push(item.executed);
      else if (item.type === 'evidence') evidence.push(item.evidence);
      else amnesia = true;
      taken += 1;
    }
    const toldAgainId = stated === null ? 0 : this.#toldAgainId(stated);
    this.#items = this.#items.slice(taken);
    const lastId = records.at(-1)?.id ?? 0;
    const state = stated?.state ?? null;
    return { state, toldAgainId, records, lastId, blocks, evidence, amnesia };
  }

  /**
   * The last record before the next state's. A step's records come together, so all that were logged
   * again are among these. Nothing of an epoch counts in the next one.
   */
  #toldAgainId(first: QueuedRecord): number {
    if (first.state?.endsEpoch === true) return first.id;
    const all = this.#items.filter((item): item is QueuedRecord => item.type === 'record');
    const records = all.slice(all.indexOf(first));
    const next = records.findIndex(({ state }, i) => i > 0 && state !== null);
    return records.at(next < 0 ? -1 : next - 1)?.id ?? first.id;
  }
}
