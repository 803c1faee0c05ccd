import { parseArgs } from 'node:util';
import { cpuFactory } from '#tests/support/engine.ts';
import { runInterleavings } from '#tests/support/interleaving.ts';

/** Interleavings on the CPU stage, as many as are asked for; a failure names its seed, exit 1. */
const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '5000' },
  },
});
const [from, seeds] = [Number(values.from), Number(values.seeds)];
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(seeds) || seeds < 1) {
  process.stderr.write('--from and --seeds are whole numbers\n');
  process.exit(2);
}
try {
  const happened = await runInterleavings(await cpuFactory(), { from, seeds });
  process.stdout.write(`${seeds} seeds, all right: ${JSON.stringify(happened)}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
