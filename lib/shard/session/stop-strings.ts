/** What a push gives the reader; `stopped`: a stop string matched, and nothing follows. */
export interface StopStep {
  readonly emit: string;
  readonly stopped: boolean;
}

/**
 * Ends an answer at the first stop string (S8). Text that may be the beginning of one is held back;
 * the stop string and what lies past it never reach the reader. Where several match, the one that
 * ends first wins (a reader who pushed character by character would have seen just that), and of
 * those that end together the longest. Empty stops never match.
 */
export class StopMatcher {
  private readonly stops: readonly string[];
  private readonly longest: number;
  private held = '';
  private stopped = false;

  constructor(stops: readonly string[]) {
    this.stops = stops.filter((stop) => stop.length > 0);
    this.longest = Math.max(0, ...this.stops.map((stop) => stop.length));
  }

  /** Takes the next piece of text, of any length. After a stop everything is discarded. */
  push(text: string): StopStep {
    if (this.stopped) return { emit: '', stopped: true };
    const seen = this.held + text;
    const start = this.firstMatch(seen);
    if (start !== null) {
      this.held = '';
      this.stopped = true;
      return { emit: seen.slice(0, start), stopped: true };
    }
    const keep = this.possiblePrefix(seen);
    this.held = seen.slice(seen.length - keep);
    return { emit: seen.slice(0, seen.length - keep), stopped: false };
  }

  /** The answer has ended otherwise: what was held back is no stop string. */
  flush(): string {
    const rest = this.held;
    this.held = '';
    return rest;
  }

  /** Where the match that ends first begins; null where none does. */
  private firstMatch(text: string): number | null {
    let best: { start: number; end: number } | null = null;
    for (const stop of this.stops) {
      const start = text.indexOf(stop);
      if (start < 0) continue;
      const end = start + stop.length;
      if (!best || end < best.end || (end === best.end && start < best.start))
        best = { start, end };
    }
    return best?.start ?? null;
  }

  /** Length of the longest tail of `text` that a stop string begins with. */
  private possiblePrefix(text: string): number {
    for (let length = Math.min(this.longest - 1, text.length); length > 0; length -= 1) {
      const tail = text.slice(text.length - length);
      if (this.stops.some((stop) => stop.startsWith(tail))) return length;
    }
    return 0;
  }
}
