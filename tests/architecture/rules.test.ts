import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, filesUnder, sourceFiles } from './source-files.ts';

const READMES = ['lib', 'server', 'sim', 'components'].flatMap((folder) =>
  filesUnder(folder, /README\.md$/),
);

/** A rule is stated as a list item that begins with its bold id: `- **S4 Any doubt …**`. */
const RULE = /^- \*\*([A-Z]{1,2}\d{1,2})\b/gm;

/** What titles of tests begin with: one rule, or several. */
const named = new Set(
  filesUnder('tests', /\.test\.ts$/).flatMap((path) =>
    [
      ...readFileSync(join(ROOT, path), 'utf8').matchAll(/['"`]((?:\[[A-Z]{1,2}\d{1,2}\] ?)+)/g),
    ].flatMap((match) => match[1]?.match(/\w+/g) ?? []),
  ),
);

test('every rule that a README states begins a test’s title', () => {
  const unnamed = READMES.flatMap((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    return [...text.matchAll(RULE)]
      .map((match) => match[1] ?? '')
      .filter((id) => !named.has(id))
      .map((id) => `${path}: ${id}`);
  });
  expect(unnamed).toEqual([]);
});

test('every rule that a test’s title begins with is stated', () => {
  const all = READMES.map((path) => readFileSync(join(ROOT, path), 'utf8')).join('\n');
  const stated = new Set([...all.matchAll(/\*\*([A-Z]{1,2}\d{1,2})\b/g)].map((match) => match[1]));
  expect([...named].filter((id) => !stated.has(id))).toEqual([]);
});

test('READMEs of modules stay short enough to be read', () => {
  const long = READMES.filter(
    (path) => readFileSync(join(ROOT, path), 'utf8').split('\n').length > 121,
  );
  expect(long).toEqual([]);
});

test('every module folder has a README', () => {
  const have = new Set(READMES.map((path) => path.replace('/README.md', '')));
  const modules = new Set(
    sourceFiles().flatMap(({ path }) => {
      const parts = path.split('/');
      if (parts[0] === 'server' && parts.length > 2) return [`server/${parts[1] ?? ''}`];
      if (parts[0] !== 'lib') return [];
      const nested = parts[1] === 'shard' || parts[1] === 'ledger';
      return [parts.slice(0, nested ? 3 : 2).join('/')];
    }),
  );
  expect([...modules].filter((module) => !have.has(module))).toEqual([]);
});

test('no left-overs', () => {
  const wrong = sourceFiles()
    .filter(({ text }) =>
      /\b(TODO|FIXME|XXX|HACK)\b|console\.log\(|@ts-(ignore|nocheck)|eslint-disable/.test(text),
    )
    .map(({ path }) => path);
  expect(wrong).toEqual([]);
});
