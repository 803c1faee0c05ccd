import type { SimCore } from './core.ts';
import { eventTable, isTooRare, type EventRow } from './session/events.ts';
import { runSession, type RunReport } from './session/run.ts';

export interface CampaignReport {
  readonly from: number;
  readonly seeds: number;
  readonly failures: readonly RunReport[];
  /** How often each thing really happened, over all seeds. */
  readonly counts: ReadonlyMap<string, number>;
  readonly events: readonly EventRow[];
  /** Events that hardly happened: where there are any, the campaign has shown nothing. */
  readonly tooRare: readonly EventRow[];
  /** All runs' hashes in one: two campaigns are equal bit for bit. */
  readonly hash: string;
}

/** Runs the seeds `from` … `from + seeds − 1`, on our core or another copy of it. */
export function runCampaign(from: number, seeds: number, core?: SimCore): CampaignReport {
  const counts = new Map<string, number>();
  const failures: RunReport[] = [];
  let hash = 0;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const report = runSession(seed, core ? { core } : {});
    if (report.failure) failures.push(report);
    for (const [what, count] of report.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    hash = (Math.imul(hash, 31) + parseInt(report.hash, 16)) >>> 0;
  }
  const events = eventTable(counts, seeds);
  const tooRare = events.filter(isTooRare);
  const hex = hash.toString(16).padStart(8, '0');
  return { from, seeds, failures, counts, events, tooRare, hash: hex };
}
