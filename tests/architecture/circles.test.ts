import { expect, test } from 'vitest';
import { FOLDERS, resolveOurs, sourceFiles } from './source-files.ts';

/** What each file imports of ours, types and workers included: a reader follows those, too. */
const importsOf = new Map(
  sourceFiles([...FOLDERS, 'tests']).map(({ path, imports }) => [
    path,
    imports.flatMap((specifier) => resolveOurs(path, specifier) ?? []),
  ]),
);

/** One circle for each import that closes one; none where the files can be read in an order. */
function circles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (path: string): void => {
    if (way.includes(path)) found.push([...way.slice(way.indexOf(path)), path].join(' → '));
    if (way.includes(path) || done.has(path)) return;
    way.push(path);
    for (const next of importsOf.get(path) ?? []) visit(next);
    way.pop();
    done.add(path);
  };
  for (const path of importsOf.keys()) visit(path);
  return found;
}

test('no circle of imports: what two files share stands in one that both import', () => {
  expect(circles()).toEqual([]);
});
