import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const FOLDERS = ['app', 'components', 'lib', 'server', 'sim', 'bench'];

export interface SourceFile {
  /** Repository-relative, with slashes. */
  readonly path: string;
  readonly text: string;
  /** Every specifier, of static, type-only and dynamic imports. */
  readonly imports: readonly string[];
}

export function filesUnder(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((path) => pattern.test(path) && !/node_modules|\/kernels\//.test(path));
}

export function sourceFiles(folders: readonly string[] = FOLDERS): SourceFile[] {
  return folders
    .flatMap((folder) => filesUnder(folder, /\.tsx?$/))
    .map((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8');
      const imports = ts
        .preProcessFile(text, true, true)
        .importedFiles.map((file) => file.fileName);
      return { path, text, imports: [...imports, ...workerUrls(text)] };
    });
}

/** `new URL('./x.ts', import.meta.url)` loads a module as surely as an import does. */
function workerUrls(text: string): string[] {
  return [...text.matchAll(/new URL\(\s*['"](\.[^'"]+\.tsx?)['"],\s*import\.meta\.url/g)].map(
    (match) => match[1] ?? '',
  );
}

/** Repository-relative path of one of our files, or null for a package or a node: module. */
export function resolveOurs(from: string, specifier: string): string | null {
  if (specifier.startsWith('#')) return specifier.slice(1);
  if (!specifier.startsWith('.')) return null;
  return normalize(relative(ROOT, join(ROOT, dirname(from), specifier))).replaceAll('\\', '/');
}
