/** One hunk of a unified diff: the lines it takes out and puts in, with those around them. */
export interface Hunk {
  /** In the repository, as the `+++` line names it. */
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/**
 * Reads a patch of one file and one hunk; text before the `---` line says what it is for.
 * @throws Error where it is anything else.
 */
export function parsePatch(text: string): Hunk {
  const lines = text.replace(/\n$/, '').split('\n');
  const path = lines.find((line) => line.startsWith('+++ '))?.replace(/^\+\+\+ b\//, '');
  const starts = lines.flatMap((line, at) => (line.startsWith('@@ ') ? at : []));
  const [start] = starts;
  if (path === undefined || start === undefined || starts.length > 1)
    throw new Error('a patch has one file and one hunk');
  const before: string[] = [];
  const after: string[] = [];
  for (const line of lines.slice(start + 1)) {
    if (!/^[ +-]/.test(line) && line !== '') throw new Error(`no line of a hunk: ${line}`);
    if (!line.startsWith('+')) before.push(line.slice(1));
    if (!line.startsWith('-')) after.push(line.slice(1));
  }
  return { path, before: before.join('\n'), after: after.join('\n') };
}

/** @throws Error where the hunk's lines are not in `source`, or more than once. */
export function applyHunk(source: string, hunk: Hunk): string {
  const text = `\n${source}`;
  const sought = `\n${hunk.before}\n`;
  const at = text.indexOf(sought);
  const fits = at < 0 ? 'nowhere' : text.includes(sought, at + 1) ? 'more than once' : 'once';
  if (fits !== 'once') throw new Error(`${hunk.path}: the patch fits ${fits}`);
  return `${text.slice(0, at)}\n${hunk.after}\n${text.slice(at + sought.length)}`.slice(1);
}
