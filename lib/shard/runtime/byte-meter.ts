import type { ChunkHash } from '#lib/kernel/ids.ts';
import type { InstantMs } from '#lib/kernel/units.ts';
import type { ObtainedChunk } from '#lib/shard/package/fetch-chunks.ts';
import type { ShardProgress } from '#lib/shard/stage/host-protocol.ts';
import { NODE } from './limits.ts';

/**
 * Sums what fetches brought since the start, and predicts the end of the one that runs. A chunk that
 * was counted is not counted from the cache again: a fetch that failed finds there what it brought.
 */
export class ByteMeter {
  networkBytes = 0;
  cacheBytes = 0;
  readonly #counted = new Set<ChunkHash>();
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
    if (progress.chunk) this.#count(progress.chunk);
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

  #count({ sha256, bytes, from }: ObtainedChunk): void {
    if (from === 'network') this.networkBytes += bytes;
    else if (!this.#counted.has(sha256)) this.cacheBytes += bytes;
    this.#counted.add(sha256);
  }
}
