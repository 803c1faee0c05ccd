import type { ManifestHash, NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { Random } from '#lib/kernel/random.ts';
import type { OwnerState, SimCore } from '#sim/core.ts';
import type { Timeline } from '#sim/timeline.ts';
import type { Scenario } from './scenario.ts';

/** What every part of a run stands on: its clock, its dice, its trace. Of other parts each says what it sees. */
export interface Ground {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly scenario: Scenario;
  readonly core: SimCore;
  count(what: string): void;
  /** `mark`: what tells this event from another of the same instant. */
  log(line: () => string, mark?: number): void;
}

/** Sessions and their owners, null once their process has died, as who checks them sees them. */
export interface Owners {
  readonly desks: ReadonlyMap<SessionId, { readonly owner: OwnerState | null }>;
}

export const MANIFEST = 'f'.repeat(64) as ManifestHash;

/** A node's name in the trace. */
export const short = (id: NodeId): string => `n${parseInt(id.slice(-4), 16)}`;
