import type { WriteStream } from 'node:tty';
import type { ImportProgress } from '#lib/shard/package/import/importer.ts';

const WORDS = { hash: 'reading', write: 'writing' } as const;
const BAR_CHARS = 30;

/** A bar that is drawn over itself on a terminal; elsewhere a line for every tenth. */
export function progressPrinter(
  out: Pick<WriteStream, 'write' | 'isTTY'>,
): (progress: ImportProgress) => void {
  let last = '';
  return ({ phase, doneBytes, totalBytes }) => {
    const share = doneBytes / totalBytes;
    const line = out.isTTY ? barLine(phase, share, totalBytes) : tenthLine(phase, share);
    if (line === last) return;
    last = line;
    const isEnd = doneBytes === totalBytes;
    out.write(out.isTTY ? `\r${line}${isEnd ? '\n' : ''}` : `${line}\n`);
  };
}

function barLine(phase: ImportProgress['phase'], share: number, totalBytes: number): string {
  const full = '█'.repeat(Math.round(share * BAR_CHARS)).padEnd(BAR_CHARS, '░');
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `${WORDS[phase]} ${full} ${percent} % of ${(totalBytes / 1e6).toFixed(1)} MB`;
}

const tenthLine = (phase: ImportProgress['phase'], share: number): string =>
  `${WORDS[phase]} ${Math.floor(share * 10) * 10} %`;
