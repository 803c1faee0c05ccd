import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isTooRare, type EventRow } from '#sim/session/events.ts';
import { OUR_LEDGER } from './core.ts';
import { eventTable } from './events.ts';
import { loadLedger } from './load.ts';
import { runLedger } from './run.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** Seeds `from`, `from` + `step` … below `end`; `core`: a folder with another copy. */
export interface Part {
  readonly from: number;
  readonly end: number;
  readonly step: number;
  readonly core: string | null;
}

/** What one process found; plain data, as it comes from another one. */
export interface PartReport {
  readonly failures: readonly { readonly seed: number; readonly message: string }[];
  readonly counts: readonly (readonly [string, number])[];
  readonly hashes: readonly (readonly [seed: number, hash: string])[];
  /** Processor time of the runs, seconds. */
  readonly cpuS: number;
}

/** What a seed came to: where a campaign stands, and a failure before its end. */
export type OnSeed = (seed: number, failure: string | null) => void;

/** What a worker tells: each seed, then its report. */
export type PartWord =
  | { readonly kind: 'seed'; readonly seed: number; readonly failure: string | null }
  | { readonly kind: 'report'; readonly report: PartReport };

export interface LedgerCampaign {
  readonly from: number;
  readonly seeds: number;
  readonly failures: PartReport['failures'];
  readonly counts: ReadonlyMap<string, number>;
  readonly events: readonly EventRow[];
  readonly tooRare: readonly EventRow[];
  /** All runs' hashes in one, in order of seeds: however many processes there were. */
  readonly hash: string;
  /** Messages sent over a link for each second of processor time. */
  readonly messagesPerCpuS: number;
}

/** The seeds of one part, in this process. */
export async function runPart(part: Part, onSeed: OnSeed): Promise<PartReport> {
  const { from, end, step, core: folder } = part;
  const core = folder === null ? OUR_LEDGER : await loadLedger(folder);
  const failures: { seed: number; message: string }[] = [];
  const counts = new Map<string, number>();
  const hashes: [number, string][] = [];
  const began = process.cpuUsage();
  for (let seed = from; seed < end; seed += step) {
    const report = runLedger(seed, { core });
    if (report.failure) failures.push({ seed, message: report.failure.message });
    for (const [what, count] of report.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    hashes.push([seed, report.hash]);
    onSeed(seed, report.failure?.message ?? null);
  }
  const { user, system } = process.cpuUsage(began);
  return { failures, counts: [...counts], hashes, cpuS: (user + system) / 1e6 };
}

/** Seeds `from` … `from` + `seeds` − 1, by one process a core. */
export async function runLedgerCampaign(
  from: number,
  seeds: number,
  options: {
    readonly core?: string | null;
    readonly workers?: number;
    readonly onSeed?: OnSeed;
  } = {},
): Promise<LedgerCampaign> {
  const { core = null, workers = availableParallelism(), onSeed = () => undefined } = options;
  const step = Math.max(1, Math.min(workers, seeds));
  const parts = Array.from({ length: step }, (_, i): Part => ({
    ...{ from: from + i, end: from + seeds, step, core },
  }));
  const reports = await Promise.all(parts.map((part) => inProcess(part, onSeed)));
  const counts = new Map<string, number>();
  for (const [what, count] of reports.flatMap((report) => report.counts))
    counts.set(what, (counts.get(what) ?? 0) + count);
  const hash = reports
    .flatMap((report) => report.hashes)
    .sort(([a], [b]) => a - b)
    .reduce((all, [, each]) => (Math.imul(all, 31) + parseInt(each, 16)) >>> 0, 0);
  const events = eventTable(counts, seeds);
  const cpuS = reports.reduce((sum, report) => sum + report.cpuS, 0);
  return {
    ...{ from, seeds, counts, events, tooRare: events.filter(isTooRare) },
    failures: reports.flatMap((report) => report.failures).sort((a, b) => a.seed - b.seed),
    hash: hash.toString(16).padStart(8, '0'),
    messagesPerCpuS: (counts.get('message') ?? 0) / cpuS,
  };
}

/** One part in a process of its own. */
function inProcess(part: Part, onSeed: OnSeed): Promise<PartReport> {
  const child = fork(join(ROOT, 'sim/ledger/worker.ts'), [JSON.stringify(part)], {
    cwd: ROOT,
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return new Promise((done, fail) => {
    child.on('message', (message) => {
      const word = message as PartWord;
      if (word.kind === 'report') done(word.report);
      else onSeed(word.seed, word.failure);
    });
    child.once('error', fail);
    child.once('exit', (code) => fail(new Error(`a worker ended early, with ${code}`)));
  });
}
