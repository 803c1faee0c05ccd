import { requireNode } from './setup/node-version.mjs';
import { setUp } from './setup/steps.mjs';
import { ROOT, say } from './setup/run.mjs';

requireNode();
process.chdir(ROOT);

/** Set-up first (all of it plain Node), then the server in this very process: one pid to signal. */
try {
  const help = process.argv.includes('--help') || process.argv.includes('-h');
  if (!help) await setUp({ pages: !process.argv.includes('--dev') });
  const { register } = await import('tsx/esm/api');
  register();
  const { main } = await import('../server/main.ts');
  await main(process.argv.slice(2));
} catch (error) {
  say(`DeCLAI could not start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
