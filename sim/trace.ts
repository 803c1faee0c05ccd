/** A run's history as one number, so that two runs can be told equal; and as text where asked. */
export class Trace {
  readonly lines: string[] | null;
  private state = 0x811c9dc5;

  constructor(keepLines: boolean) {
    this.lines = keepLines ? [] : null;
  }

  add(line: string): void {
    let state = this.state;
    // FNV-1a over UTF-16 code units.
    for (let i = 0; i < line.length; i += 1)
      state = Math.imul(state ^ line.charCodeAt(i), 0x01000193);
    this.state = state;
    this.lines?.push(line);
  }

  get hash(): string {
    return (this.state >>> 0).toString(16).padStart(8, '0');
  }
}
