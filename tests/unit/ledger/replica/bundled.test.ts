import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

test('[X14] an entry is made one file, anew where something that it imports changed', async () => {
  const folder = `build/bundled-test-${process.pid}`;
  const made = `build/bundles/build-bundled-test-${process.pid}-entry.mjs`;
  const run = (): string =>
    execFileSync(process.execPath, ['scripts/bundled.mjs', `${folder}/entry.ts`, 'told'], {
      encoding: 'utf8',
    });
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(`${folder}/part.ts`, 'export const part: string = "first";');
    await writeFile(
      `${folder}/entry.ts`,
      'import { part } from "./part.ts"; process.stdout.write(`${part} ${process.argv[2]}`);',
    );
    expect([run(), run()]).toEqual(['first told', 'first told']);
    await writeFile(`${folder}/part.ts`, 'export const part: string = "second";');
    expect(run()).toBe('second told');
  } finally {
    await rm(folder, { recursive: true });
    await rm(made, { force: true });
    await rm(`${made}.stamp.json`, { force: true });
  }
});
