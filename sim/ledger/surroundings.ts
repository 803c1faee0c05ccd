import type { Random } from '#lib/kernel/random.ts';
import type { Timeline } from '#sim/timeline.ts';
import type { Counts } from './counts.ts';
import type { Node } from './node.ts';
import type { Scenario } from './scenario.ts';

/** What a part of the world sees of it. */
export interface Surroundings {
  readonly scenario: Scenario;
  readonly random: Random;
  readonly timeline: Timeline;
  readonly counts: Counts;
  readonly nodes: readonly Node[];
  log(line: () => string): void;
}
