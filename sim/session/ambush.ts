import { disturb, type Disturbed } from './disturb.ts';
import type { Machine, Meeting } from './machine.ts';
import type { Ambush } from './scenario.ts';

/** Disturbances that lie in wait for the nth message of a kind: around its very sending. */
export class Ambushes {
  private readonly seen = new Map<string, number>();
  private readonly world: Disturbed;

  constructor(world: Disturbed) {
    this.world = world;
  }

  /** Sends, with what lies in wait for it; a node struck before it sends does not send. */
  around(what: string, meeting: Meeting, send: () => void): void {
    const due = this.due(what);
    const { node } = meeting;
    const { life } = node;
    for (const ambush of due) if (!ambush.after) this.strike(ambush, meeting);
    const isDropped = due.some(({ kind }) => kind === 'drop-it');
    if (node.life === life && !isDropped) send();
    for (const ambush of due) if (ambush.after) this.strike(ambush, meeting);
  }

  /** An owner came into a phase of its failover; `node` holds a place of its route. */
  onFailover(phase: string, node: Machine | null): void {
    for (const ambush of this.due(`failover:${phase}`)) if (node) this.strike(ambush, { node });
  }

  private due(what: string): readonly Ambush[] {
    const { ambushes } = this.world.scenario;
    if (ambushes.length === 0) return [];
    const nth = this.seen.get(what) ?? 0;
    this.seen.set(what, nth + 1);
    return ambushes.filter((ambush) => ambush.on === what && ambush.nth === nth);
  }

  private strike(ambush: Ambush, meeting: Meeting): void {
    // Not inside the step that sends: the core must have returned first, except where it dies.
    const isDeath = ambush.kind.startsWith('crash') && ambush.kind !== 'crash-holder';
    if (isDeath) disturb(this.world, ambush, meeting);
    else
      this.world.timeline.in(0, () => {
        disturb(this.world, ambush, meeting);
      });
  }
}
