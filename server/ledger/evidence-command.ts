import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { misconductBytes, misconductName, type Misconduct } from '#lib/ledger/client/misconduct.ts';
import type { LedgerArgs } from './args.ts';
import { judgeFile } from './offline-commands.ts';
import { withClient } from './read-commands.ts';
import { done, type Report } from './report.ts';

/** A file, judged offline; or what all replicas hold against one another. */
export function evidence(args: LedgerArgs): Promise<Report> {
  const [file] = args.operands;
  return file === undefined ? gathered(args) : judgeFile(args, file);
}

const gathered = (args: LedgerArgs): Promise<Report> =>
  withClient(args, async (client) => {
    const found = await client.misconduct();
    const { out } = args.values;
    const files = out === undefined ? [] : await written(found, out);
    const pieces = found.map(({ evidence: { epoch, replica, kind } }, i) => ({
      ...{ epoch, replica, kind, file: files[i] ?? null },
    }));
    const lines = found.map((each, i) => [misconductName(each), files[i] ?? []].flat().join(': '));
    return done(
      { evidence: pieces },
      ...(lines.length > 0 ? lines : ['no replica that answers holds anything against another']),
    );
  });

async function written(found: readonly Misconduct[], folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  for (const each of found) {
    const { epoch, replica, kind } = each.evidence;
    const file = join(folder, `evidence-${epoch}-${replica}-${kind}.bin`);
    await writeFile(file, misconductBytes(each));
    files.push(file);
  }
  return files;
}
