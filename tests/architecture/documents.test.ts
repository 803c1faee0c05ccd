import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { ROOT } from './source-files.ts';

const FOLDERS = ['app', 'bench', 'components', 'docs', 'lib', 'scripts', 'server', 'sim', 'tests'];
const files = [
  ...readdirSync(ROOT),
  ...FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
      .filter((path) => !path.includes('node_modules/')),
  ),
];

/** What was is no promise: CHANGELOG.md is left out. */
const documents = files
  .filter((path) => path.endsWith('.md') && path !== 'CHANGELOG.md')
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

/** What a document says in backticks, of one line. */
const quoted = (text: string): string[] =>
  [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');

/** A source file by its name or the end of its path, or a folder of ours; `*` is any text. */
const isPath = (text: string): boolean =>
  /^(\.\.\/)*[\w.*-]+(\/[\w.*-]+)*\.(tsx?|mjs)$/.test(text) ||
  (/^[\w-]+(\/[\w.-]+)*\/$/.test(text) && FOLDERS.includes(rootOf(text)));

const documentsIn = (text: string): string[] => text.match(/[\w/-]+\.md\b/g) ?? [];

/** ggml's own description of its format. */
const FOREIGN = /(^|\/)gguf\.md$/;

const rootOf = (path: string): string => path.split('/')[0] ?? '';

function isThere(name: string): boolean {
  if (name.endsWith('/')) return existsSync(join(ROOT, name));
  const pattern = name
    .replace(/^(\.\.\/)+/, '')
    .replace(/[.+]/g, '\\$&')
    .replaceAll('*', '[^/]*');
  const end = new RegExp(`(^|/)${pattern}$`);
  return files.some((path) => end.test(path));
}

test('documents name files that are there', () => {
  const wrong = documents.flatMap(({ path, text }) =>
    quoted(text)
      .filter((name) => isPath(name) && !isThere(name))
      .map((name) => `${path}: ${name}`),
  );
  expect(wrong).toEqual([]);
});

test('comments name files that are there', () => {
  const wrong = files
    .filter((path) => /\.(tsx?|mjs)$/.test(path))
    .flatMap((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8');
      const comments = text.match(/\/\*\*[\s\S]*?\*\/|(?<=^|\s)\/\/ .*$/gm) ?? [];
      return comments
        .flatMap((comment) => [...quoted(comment), ...documentsIn(comment)])
        .filter((name) => (isPath(name) || /\.md$/.test(name)) && !isThere(name))
        .filter((name) => !FOREIGN.test(name))
        .map((name) => `${path}: ${name}`);
    });
  expect(wrong).toEqual([]);
});

test('links of documents lead to something', () => {
  const wrong = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)]
      .map((match) => match[1] ?? '')
      .filter((link) => !/^[a-z]+:/.test(link) && !existsSync(join(ROOT, dirname(path), link)))
      .map((link) => `${path}: ${link}`),
  );
  expect(wrong).toEqual([]);
});

test('documents name commands that package.json has', () => {
  const known = new Set(Object.keys(packageJson.scripts));
  const wrong = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\bnpm run ([\w:-]+)/g)]
      .map((match) => match[1] ?? '')
      .filter((name) => !known.has(name))
      .map((name) => `${path}: npm run ${name}`),
  );
  expect(wrong).toEqual([]);
});
