import { disturb } from './disturb.ts';
import type { SimNode } from './node.ts';
import type { World } from './world.ts';

/** Disturbances that lie in wait for the nth message of a kind: around its very sending. */
export class Ambushes {
  private readonly seen = new Map<string, number>();
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** Sends, with what lies in wait for it; a node struck before it sends does not send. */
  around(what: string, node: SimNode, send: () => void): void {
    const { world } = this;
    const nth = this.seen.get(what) ?? 0;
    this.seen.set(what, nth + 1);
    const due = world.scenario.ambushes.filter(
      (ambush) => ambush.on === what && ambush.nth === nth,
    );
    const { life } = node;
    for (const ambush of due) if (!ambush.after) this.strike(ambush, node);
    if (node.life === life) send();
    for (const ambush of due) if (ambush.after) this.strike(ambush, node);
  }

  private strike(ambush: World['scenario']['ambushes'][number], node: SimNode): void {
    this.world.count(`ambush on ${ambush.on}`);
    // Not inside the step that sends: the core must have returned first, except where it dies.
    if (ambush.kind.startsWith('crash')) disturb(this.world, ambush, node);
    else
      this.world.timeline.in(0, () => {
        disturb(this.world, ambush, node);
      });
  }
}
