import type { InstantMs } from '#lib/kernel/units.ts';
import type { RunSegment } from './types.ts';
import { STAGE_HOST } from './limits.ts';

interface RecordedRun {
  readonly shard: string;
  readonly segments: readonly RunSegment[];
}

interface DecodeSample {
  readonly shard: string;
  readonly rows: number;
  readonly ms: number;
}

/** Counts of a worker's work since it began. */
export class StageMetrics {
  steps = 0;
  tokensServed = 0;
  #lastRunEnd = -Infinity;
  readonly #decode: DecodeSample[] = [];
  readonly #buckets = new Map<number, number>();

  /** A run of one shard over `segments` took `ms` and ended at `now`. */
  record({ shard, segments }: RecordedRun, ms: number, now: InstantMs): void {
    this.steps += 1;
    this.#lastRunEnd = now;
    if (segments.every(({ rows }) => rows === 1)) {
      this.#decode.push({ shard, rows: segments.length, ms });
      if (this.#decode.length > STAGE_HOST.stepSamplesMax) this.#decode.shift();
    }
    const tokens = segments.reduce((sum, segment) => sum + segment.tokens, 0);
    this.tokensServed += tokens;
    const second = Math.floor(now / 1000);
    this.#buckets.set(second, (this.#buckets.get(second) ?? 0) + tokens);
    for (const old of this.#buckets.keys()) {
      if (old < second - STAGE_HOST.rateWindowSeconds) this.#buckets.delete(old);
    }
  }

  computing(now: InstantMs): boolean {
    return now - this.#lastRunEnd < STAGE_HOST.computingHoldMs;
  }

  /** Mean over the last whole seconds in which tokens were served; 0 while idle. */
  tokensPerSecond(now: InstantMs): number {
    if (!this.computing(now)) return 0;
    const second = Math.floor(now / 1000);
    let sum = 0;
    let seconds = 0;
    for (let back = 1; back <= STAGE_HOST.rateWindowSeconds; back += 1) {
      const tokens = this.#buckets.get(second - back) ?? 0;
      if (tokens === 0) break;
      sum += tokens;
      seconds += 1;
    }
    return seconds === 0 ? (this.#buckets.get(second) ?? 0) : sum / seconds;
  }

  /**
   * Median milliseconds and rows of the last decode steps, to hold against a prediction (P3). Both
   * 0 where there is nothing to compare: no steps yet, or steps of several shards.
   */
  decodeStep(): { readonly ms: number; readonly rows: number } {
    const [first] = this.#decode;
    if (!first || this.#decode.some(({ shard }) => shard !== first.shard)) {
      return { ms: 0, rows: 0 };
    }
    return {
      ms: middle(this.#decode.map((sample) => sample.ms)),
      rows: middle(this.#decode.map((sample) => sample.rows)),
    };
  }
}

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
