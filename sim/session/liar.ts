import type { Frame } from '#lib/shard/wire/frame.ts';
import type { OwnerMessage, Prepare, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { Ground } from './ground.ts';
import type { Machine } from './machine.ts';
import type { Lie } from './scenario.ts';

/** Where its words go. */
interface LiarWorld extends Ground {
  readonly office: { fromNode(node: Machine, message: StageMessage): void };
}

/** Within a deadline of 2 s, whatever else a round takes. */
const DAWDLE_MS = 900;
const REGROW_EVERY_MS = 250;
/** Longer than any answer waits. */
const REGROW_MS = 40_000;

/**
 * Stands between a node and the world, and changes what it says: `regrows` computes nothing and
 * says that it has a row, has none, has one …; `refuses` calls what it is sent not finite;
 * `finds-fault` lets some rows grow in each epoch and misses a frame then, and has no token for the owner; `poisons` sends values
 * that are not finite; `dawdles` says everything late, and never too late.
 */
export class Liar {
  private readonly world: LiarWorld;
  private readonly node: Machine;
  private readonly lie: Lie;
  private readonly orders = new Map<string, Prepare>();

  constructor(world: LiarWorld, node: Machine, lie: Lie) {
    this.world = world;
    this.node = node;
    this.lie = lie;
    if (lie !== 'regrows') return;
    // What its core knew of before is reported, too: it is told as the core saw it.
    for (const { id, prepare } of node.core.sessions.values()) this.orders.set(id, prepare);
    node.stop('hung', REGROW_MS);
    this.regrow(node.life, 0);
  }

  hear(message: OwnerMessage): void {
    if (message.type === 'prepare') this.orders.set(message.session, message);
    if (message.type === 'end' || message.type === 'release') this.orders.delete(message.session);
  }

  /** Its words to the owner, and what it adds to them. */
  say(message: StageMessage, tell: (message: StageMessage) => void): void {
    if (message.type === 'token' && this.lie === 'finds-fault') {
      this.complain('seq-gap', message, tell);
      return;
    }
    this.later(() => {
      tell(message);
    });
    if (message.type !== 'report') return;
    if (this.lie === 'refuses') this.complain('not-finite', message, tell);
    if (this.lie === 'finds-fault' && message.kvLength > 0) this.complain('seq-gap', message, tell);
  }

  /** Its frames as they leave. */
  send(frames: Frame[], leave: (frames: Frame[]) => void): void {
    this.later(() => {
      leave(this.lie === 'poisons' ? frames.map(poisoned) : frames);
    });
  }

  get poisons(): boolean {
    return this.lie === 'poisons';
  }

  private complain(
    why: 'not-finite' | 'seq-gap',
    { session, epoch, place }: Extract<StageMessage, { type: 'report' | 'token' }>,
    tell: (message: StageMessage) => void,
  ): void {
    this.world.count(`liar says ${why}`);
    tell({ type: 'fault', session, epoch, place, why });
  }

  private later(act: () => void): void {
    if (this.lie !== 'dawdles') {
      act();
      return;
    }
    const { node } = this;
    const { life } = node;
    this.world.count('liar dawdles');
    this.world.timeline.in(DAWDLE_MS, () => {
      if (node.life === life) act();
    });
  }

  private regrow(life: number, times: number): void {
    const { node } = this;
    if (node.life !== life || !node.hung) return;
    for (const { session, epoch, route } of this.orders.values()) {
      for (const [place, { node: holder }] of route.entries()) {
        if (holder !== node.id) continue;
        this.world.count('liar regrows');
        const kvLength = times % 2;
        const report = { type: 'report', session, epoch, place, kvLength, keptFrom: 0 } as const;
        this.world.office.fromNode(node, report);
      }
    }
    this.world.timeline.in(REGROW_EVERY_MS, () => {
      this.regrow(life, times + 1);
    });
  }
}

const poisoned = (frame: Frame): Frame =>
  frame.type === 'rows' ? { ...frame, data: frame.data.map(() => NaN) } : frame;
