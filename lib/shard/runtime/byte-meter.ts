import { sameRange } from './node-state.ts';
import type { FetchedBytes, ShardProgress } from '#lib/shard/stage/host-protocol.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import { NODE } from './limits.ts';

/** Sums what fetches brought since the start, and predicts the end of the one that runs. */
export class ByteMeter {
  networkBytes = 0;
  cacheBytes = 0;
  #last: ShardProgress | null = null;
  #marks: { readonly at: InstantMs; readonly bytes: number }[] = [];

  get last(): ShardProgress | null {
    return this.#last;
  }

  /** A fetch begins: what comes next counts from nothing. */
  begin(): void {
    this.#last = null;
    this.#marks = [];
  }

  take(progress: ShardProgress, now: InstantMs): void {
    const before = this.#before(progress);
    this.networkBytes += progress.networkBytes - before.networkBytes;
    this.cacheBytes += progress.cacheBytes - before.cacheBytes;
    this.#last = progress;
    this.#marks.push({ at: now, bytes: progress.networkBytes });
    while (this.#marks.length > 2 && now - (this.#marks[0]?.at ?? now) > NODE.rateWindowMs) {
      this.#marks.shift();
    }
  }

  /** By the rate of the last seconds; null while there is none. */
  secondsLeft(): number | null {
    const [first] = this.#marks;
    const last = this.#marks.at(-1);
    if (!first || !last || !this.#last || last.at <= first.at) return null;
    const bytesPerMs = (last.bytes - first.bytes) / (last.at - first.at);
    if (bytesPerMs <= 0) return null;
    return (this.#last.bytesTotal - this.#last.bytesDone) / bytesPerMs / 1000;
  }

  #before(progress: ShardProgress): FetchedBytes {
    const last = this.#last;
    const same = last?.stage === progress.stage && sameRange(last.range, progress.range);
    return last && same ? last : { networkBytes: 0, cacheBytes: 0 };
  }
}
