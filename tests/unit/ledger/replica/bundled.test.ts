import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { REPLICA_V8_FLAGS } from '#server/replica/v8-flags.ts';

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

test('[X14] whoever runs replicas tells V8 the same, and V8 knows it', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    scripts: Record<string, string>;
  };
  const entry = 'scripts/bundled.mjs server/replica/main.ts';
  expect(scripts['replica']).toBe(`exec node ${REPLICA_V8_FLAGS.join(' ')} ${entry}`);
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  for (const flag of REPLICA_V8_FLAGS)
    expect(known).toContain(`  ${flag.replace('--no-', '--')} (`);
});
