const BITS = new Float64Array(1);
const WORDS = new Uint32Array(BITS.buffer);

/**
 * A run's history as one number, so that two runs can be told equal; and as text where asked. The
 * number is made of instants and marks, the text only of what is read: a campaign writes none.
 */
export class Trace {
  readonly lines: string[] | null;
  private state = 0x811c9dc5;

  constructor(keepLines: boolean) {
    this.lines = keepLines ? [] : null;
  }

  /** `mark` tells events of one instant apart: a length, a place, a node's number. */
  add(at: number, mark: number, line: () => string): void {
    BITS[0] = at;
    for (const word of [WORDS[0] ?? 0, WORDS[1] ?? 0, mark]) {
      // FNV-1a's step over words; the shift brings their high bits down.
      const state = Math.imul(this.state ^ word, 0x01000193);
      this.state = state ^ (state >>> 15);
    }
    this.lines?.push(`${at.toFixed(3)} ${line()}`);
  }

  get hash(): string {
    return (this.state >>> 0).toString(16).padStart(8, '0');
  }
}
