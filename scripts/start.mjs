import { requireNode } from './setup/node-version.mjs';
import { ensureDependencies, setUp } from './setup/steps.mjs';
import { ROOT, say } from './setup/run.mjs';

requireNode();
process.chdir(ROOT);

/**
 * A wrong option is told before minutes of building; then the rest of the set-up (all of it plain
 * Node), then the server in this very process: one pid to signal.
 */
try {
  await ensureDependencies();
  const { register } = await import('tsx/esm/api');
  register();
  const { HELP, parseServerOptions } = await import('../server/options.ts');
  const options = parseServerOptions(process.argv.slice(2), process.env);
  if (options === null) {
    process.stdout.write(HELP);
  } else {
    await setUp({ pages: !options.dev });
    const { main } = await import('../server/main.ts');
    await main(options);
  }
} catch (error) {
  say(`DeCLAI could not start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
