/** What a token says: one to three letters of three, so that stop strings lie across tokens. */
export function textOf(id: number): string {
  let text = '';
  for (let rest = id; text.length < 1 + (id % 3); rest = Math.floor(rest / 3))
    text += 'abc'[rest % 3] ?? '';
  return text;
}

/** What a reader may see of `text`, letter by letter: all before the stop string that ends first. */
export function beforeStop(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end += 1) {
    const seen = text.slice(0, end);
    const matching = stops.filter((stop) => seen.endsWith(stop));
    const longest = Math.max(...matching.map((stop) => stop.length), 0);
    if (longest > 0) return seen.slice(0, end - longest);
  }
  return text;
}
