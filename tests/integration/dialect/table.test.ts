import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const FOLDER = import.meta.dirname;
const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8');

test('every rule and row of the table is named by a test here, and every test by the table', () => {
  const rows = [...read('README.md').matchAll(/^\| (4\.8\.\d+|4\.9\.[sp]\d+|9) +\|/gm)];
  const ids = rows.map((row) => row[1]);
  const titles = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.test.ts'))
    .flatMap((name) => [...read(name).matchAll(/^ *test\(\s*['"](?:\[G\d+\] )?\[([^\]]+)\]/gm)])
    .map((title) => title[1]);
  expect(ids.length).toBe(12 + 16 + 5);
  expect([...new Set(titles)].sort()).toEqual([...ids].sort());
});
