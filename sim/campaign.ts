import { runSession, type RunReport } from './session/run.ts';

export interface CampaignReport {
  readonly seeds: number;
  readonly failures: readonly RunReport[];
  /** How often each thing really happened, over all seeds. */
  readonly counts: ReadonlyMap<string, number>;
  /** All runs' hashes in one: two campaigns are equal bit for bit. */
  readonly hash: string;
}

/** Runs the seeds `from` … `from + seeds − 1`. */
export function runCampaign(from: number, seeds: number): CampaignReport {
  const counts = new Map<string, number>();
  const failures: RunReport[] = [];
  let hash = 0;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const report = runSession(seed);
    if (report.failure) failures.push(report);
    for (const [what, count] of report.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    hash = (Math.imul(hash, 31) + parseInt(report.hash, 16)) >>> 0;
  }
  return { seeds, failures, counts, hash: hash.toString(16).padStart(8, '0') };
}
