import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { isCorrect, type Node } from './node.ts';
import type { Surroundings } from './surroundings.ts';

/** Everything of a phase is awaited so many timeouts long; then the scene is over. */
const TIMEOUTS_MAX = 4;

type Act =
  /** PREPAREs and COMMITs reach one replica alone. */
  | { readonly name: 'alone' }
  /** It hears nobody, and its view ends without it. */
  | { readonly name: 'missing'; readonly sequence: number; readonly view: number }
  /** The next view's primary is cut off, too, and the others leave that view. */
  | { readonly name: 'leaving'; readonly view: number; readonly primary: Node }
  /** It is heard again: with two certificates for one slot the third view begins. */
  | { readonly name: 'again'; readonly view: number; readonly primary: Node }
  | { readonly name: 'over' };

/**
 * A scene that chance would play seldom: one replica alone prepares a slot, misses the view in which
 * another batch prepares there, and tells of its own in the view after that.
 */
export class Scene {
  private readonly world: Surroundings;
  private readonly alone: Node | null;
  private act: Act = { name: 'over' };
  private until = Infinity;

  constructor(world: Surroundings) {
    this.world = world;
    const { n, hasScene } = world.scenario;
    // Primary of none of the three views, if all goes well.
    const node = world.nodes[3 + world.random.below(n - 3)] ?? null;
    this.alone = hasScene && node !== null && isCorrect(node) ? node : null;
    if (this.alone !== null) this.next({ name: 'alone' });
  }

  private next(act: Act): void {
    const { world } = this;
    this.act = act;
    this.until = world.timeline.now + TIMEOUTS_MAX * world.scenario.timeoutMs;
    world.counts.add(`scene: ${act.name}`);
    world.log(() => `scene: ${act.name}`);
  }

  /** Does this message get lost on its way? */
  loses(from: Node, to: Node, message: Message): boolean {
    const { act, alone } = this;
    const isOf = (node: Node | null): boolean => from === node || to === node;
    switch (act.name) {
      case 'alone':
        return isPhaseVote(message) && to !== alone;
      case 'missing':
        return isOf(alone) || (isPhaseVote(message) && message.view <= act.view);
      case 'leaving':
        return isOf(alone) || isOf(act.primary);
      case 'again':
        return isOf(act.primary);
      case 'over':
        return false;
    }
  }

  /** After each step of a machine: is the next act due? */
  look(): void {
    const { act, alone, world } = this;
    if (act.name === 'over' || alone === null) return;
    if (world.timeline.now > this.until) {
      this.next({ name: 'over' });
      return;
    }
    const others = world.nodes.filter((node) => isCorrect(node) && node !== alone);
    switch (act.name) {
      case 'alone': {
        const [slot] = [...alone.state.slots.values()].filter((each) => each.certificate !== null);
        const view = slot?.certificate?.view;
        if (slot === undefined || view === undefined) return;
        this.next({ name: 'missing', sequence: slot.sequence, view });
        return;
      }
      case 'missing': {
        const views = others.map((node) => preparedIn(node, act.sequence));
        const view = Math.max(...views);
        if (view <= act.view) return;
        const primary = world.nodes[view % world.scenario.n];
        if (primary !== undefined) this.next({ name: 'leaving', view, primary });
        return;
      }
      case 'leaving': {
        const voting = others.filter(({ state }) => state.self >= 0);
        const rest = voting.filter((node) => node !== act.primary);
        if (rest.every(({ state }) => state.view > act.view)) this.next({ ...act, name: 'again' });
        return;
      }
      case 'again':
        if (others.some(({ state }) => (state.newView?.view ?? 0) > act.view))
          this.next({ name: 'over' });
    }
  }

  /** The network has healed. */
  end(): void {
    if (this.act.name !== 'over') this.next({ name: 'over' });
  }
}

const isPhaseVote = (
  message: Message,
): message is Extract<Message, { type: 'prepare' | 'commit' }> =>
  message.type === 'prepare' || message.type === 'commit';

const preparedIn = ({ state }: Node, sequence: number): number =>
  state.slots.get(sequence)?.certificate?.view ?? -1;
