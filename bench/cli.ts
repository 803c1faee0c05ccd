import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { parseCommandLine } from '#server/command-line.ts';
import { printable, type BenchResult } from './result.ts';

/** `rows`: of the golden rows only these; null: all. */
type Run = (options: { readonly rows: readonly string[] | null }) => Promise<BenchResult>;

/** Each benchmark measures its peer or its limit in the same run; loaded only when asked for. */
const BENCHES: Readonly<Record<string, () => Promise<{ run: Run }>>> = {
  batch: () => import('./batch.ts'),
  batching: () => import('./batching.ts'),
  decode: () => import('./decode.ts'),
  gpu: () => import('./gpu.ts'),
  prefill: () => import('./prefill.ts'),
  long: () => import('./long.ts'),
  memory: () => import('./memory.ts'),
  ring: () => import('./ring.ts'),
  load: () => import('./load.ts'),
  ledger: () => import('./ledger.ts'),
  'ledger-kill': () => import('./ledger-kill.ts'),
  'ledger-state': () => import('./ledger-state.ts'),
  prefix: () => import('./prefix.ts'),
  spec: () => import('./spec.ts'),
  wire: () => import('./wire.ts'),
};

const HELP = `npm run bench -- NAME [--json] [--rows A,B]

  batch    one stage in a tab and in Node, 1 to 16 sessions at past 128 and 1 000
  batching  a prompt of 3 000 tokens beside a running answer, on one stage in Node
  decode   one tab alone against wllama in the same browser and native llama.cpp, one thread and two
  prefill  reading 128 and 512 tokens beside native llama.cpp, the first token beside wllama
  long     a token at past 4 000 and at past 128, beside native llama.cpp
  memory   what a tab holds at its peak, beside wllama's
  gpu      all layers on this machine's GPU, beside our CPU stage and the GPU's bandwidth
  ring     one tab against three tabs, one stream and eight, beside the RTT of the same channel
  load     click to ready, cold and from the cache, and what fills the time
  ledger   four replicas as processes, the protocol on a virtual clock, large states: design goals
  ledger-kill   four replicas as processes, killed one by one and all at once: what was acknowledged stays
  ledger-state  the ledger's state machine a transaction, beside one verification
  prefix   first token of a conversation's second turn against its first, of four choices against one
  wire     rows as fp32, in halves and in bytes: first token over a slow link, ids, logits
  spec     golden rows with guessed ids against without, over slow links and none

Exit 1 when a bar is missed. --json prints one object on stdout. --rows: spec with these golden rows alone.
`;

const misused = (why: string, cause?: unknown): FaultError =>
  new FaultError('server/config', `${why}\n\n${HELP}`, { cause });

async function main(): Promise<number> {
  const options = {
    json: { type: 'boolean' },
    rows: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values, positionals } = parseCommandLine({ allowPositionals: true, options }, misused);
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) throw misused('One benchmark at a time: which?');
  const bench = BENCHES[name];
  if (!bench) throw misused(`There is no benchmark ${name}.`);
  const result = await (await bench()).run({ rows: values.rows?.split(',') ?? null });
  process.stdout.write(values.json === true ? `${JSON.stringify(result)}\n` : printable(result));
  return result.bars.every((bar) => bar.ok) ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  if (!isFault(error, 'server/config')) throw error;
  process.stderr.write(error.message);
  return 2;
});
