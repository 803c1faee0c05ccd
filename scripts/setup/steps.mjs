import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, run, say } from './run.mjs';
import { digestOf, whenStale } from './stamp.mjs';

/** `npm ci` where node_modules is missing or was made from another lock file. */
export async function ensureDependencies() {
  await whenStale('node_modules/.declai-stamp', digestOf(['package-lock.json']), async () => {
    say('Installing dependencies (npm ci) …');
    await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  });
}

/** The engines' binaries: kernels that tabs and the Node volunteer share, ONNX Runtime for tabs. */
export async function ensureKernels() {
  await run(process.execPath, ['scripts/build-kernels.mjs']);
  await run(process.execPath, ['scripts/copy-ort.mjs']);
}

const PAGE_SOURCES = [
  'app',
  'components',
  'lib',
  'next.config.mjs',
  'postcss.config.mjs',
  'tsconfig.json',
  'package-lock.json',
];

/** The Next build, again only when a source of the pages changed. */
export async function ensurePages() {
  const stamp = 'build/pages.stamp';
  if (!existsSync(join(ROOT, '.next/BUILD_ID'))) rmSync(join(ROOT, stamp), { force: true });
  await whenStale(stamp, digestOf(PAGE_SOURCES), async () => {
    say('Building the pages (next build) …');
    await run(process.execPath, ['node_modules/next/dist/bin/next', 'build'], {
      env: { NEXT_TELEMETRY_DISABLED: '1' },
    });
  });
}

/** @param {{ pages: boolean }} what `pages: false` leaves the build to Next's own dev server. */
export async function setUp({ pages }) {
  await ensureDependencies();
  await ensureKernels();
  if (pages) await ensurePages();
}
