import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

test('[L8] a page loads the light client with less than 40 KB, and without zod', async () => {
  const built = await build({
    entryPoints: ['lib/ledger/client/browser.ts'],
    ...{ bundle: true, minify: true, write: false, metafile: true },
    ...{ format: 'esm', platform: 'browser', logLevel: 'silent' },
  });
  const bytes = gzipSync(built.outputFiles[0]?.contents ?? new Uint8Array(0)).length;
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThanOrEqual(40_000);
  const loaded = Object.keys(built.metafile.inputs).join('\n');
  expect(loaded).toContain('light-client.ts');
  expect(loaded).not.toMatch(/node_modules\/(?!@noble\/hashes|cborg|tweetnacl)/);
});
