import { MIB } from '#lib/kernel/units.ts';
import { missedBy, type Growth } from './memory.ts';
import { missedByReaders, type Tally } from './readers.ts';
import type { Visitors } from './visitors.ts';

export interface WatchedGrowth {
  readonly name: string;
  readonly judged: boolean;
  readonly growth: Growth | null;
}

export interface SoakResult {
  readonly minutes: number;
  readonly tally: Tally;
  readonly visits: Visitors['counts'];
  readonly processes: readonly WatchedGrowth[];
}

/** Every bar that was missed, in words; empty where all is well. */
export const missedBars = ({ tally, processes }: SoakResult): string[] => [
  ...missedByReaders(tally),
  ...processes.flatMap(({ name, judged, growth }) =>
    judged ? missedBy(growth).map((what) => `${name} ${what}`) : [],
  ),
];

/** The table of a soak, in Markdown. */
export function reportOf(result: SoakResult): string {
  const { tally, visits, minutes } = result;
  const errors = [...tally.errors].map(([code, count]) => `${count} × ${code}`).join(', ');
  const lines = [
    `${tally.answers} answers in ${minutes} min, ${tally.tokens} tokens; ` +
      `${tally.moved} went over more than one route; errors: ${errors === '' ? 'none' : errors}; ` +
      `wrong: ${tally.wrong.length}`,
    `tabs: ${visits.joined} joined, ${visits.close} closed, ${visits.stop} stopped, ` +
      `${visits.kill} killed`,
    '',
    '| process | MiB settled | MiB at the end | growth % | peak MiB | handles | at the end | peak | bars |',
    '|---|---|---|---|---|---|---|---|---|',
    ...result.processes.map(row),
  ];
  const missed = missedBars(result);
  return [
    ...lines,
    '',
    missed.length === 0 ? 'all bars met' : `missed:\n${missed.map((bar) => `- ${bar}`).join('\n')}`,
    '',
  ].join('\n');
}

function row({ name, judged, growth }: WatchedGrowth): string {
  if (!growth) return `| ${name} | – | – | – | – | – | – | – | ${judged ? 'missed' : 'none'} |`;
  const mib = (bytes: number): string => (bytes / MIB).toFixed(1);
  const bars = judged ? (missedBy(growth).length === 0 ? 'met' : 'missed') : 'none';
  return (
    `| ${name} | ${mib(growth.beforeBytes)} | ${mib(growth.afterBytes)} | ` +
    `${(100 * growth.share).toFixed(1)} | ${mib(growth.peakBytes)} | ` +
    `${growth.handlesBefore} | ${growth.handlesAfter} | ${growth.handlesPeak} | ${bars} |`
  );
}
