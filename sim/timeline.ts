import { invariant } from '#lib/kernel/assert.ts';
import { instantMs, type InstantMs } from '#lib/kernel/units.ts';

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

/** Virtual time: what is due first happens first; of two at one instant, the one planned first. */
export class Timeline {
  private readonly heap: Entry[] = [];
  private planned = 0;
  private time = 0;
  private done = 0;

  get now(): InstantMs {
    return instantMs(this.time);
  }

  /** Plans `act` in `delayMs` from now, never in the past. */
  in(delayMs: number, act: () => void): void {
    this.at(this.time + Math.max(0, delayMs), act);
  }

  at(time: number, act: () => void): void {
    invariant(!Number.isNaN(time), 'an instant is a number');
    this.planned += 1;
    this.push({ at: Math.max(time, this.time), order: this.planned, act });
  }

  /** Things that have happened so far. */
  get happened(): number {
    return this.done;
  }

  /** Lets everything happen until `until`, or until `stop` says so. */
  run(until: number, stop: () => boolean = () => false): void {
    while (this.heap.length > 0 && !stop()) {
      const first = this.heap[0];
      if (!first || first.at > until) break;
      this.pop();
      this.time = first.at;
      this.done += 1;
      first.act();
    }
    if (!stop()) this.time = Math.max(this.time, until);
  }

  private push(entry: Entry): void {
    const { heap } = this;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent])) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (heap.length === 0 || !last) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const child = isBefore(heap[left + 1], heap[left]) ? left + 1 : left;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry | undefined, b: Entry | undefined): boolean {
  if (!a) return false;
  return !b || a.at < b.at || (a.at === b.at && a.order < b.order);
}
