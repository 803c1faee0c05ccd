import { utf8 } from '#lib/kernel/bytes.ts';
import type { Random } from '#lib/kernel/random.ts';
import { faultyOf, REPLICAS_MIN } from '#lib/ledger/pbft/quorum.ts';
import { firstKeyOf, parametersOf, replicaOf } from './genesis.ts';
import { isCorrect, type Node } from './node.ts';
import { SPARE, type World } from './world.ts';

/** Everything that goes wrong while clients ask, drawn as it goes. */
export class Storm {
  private readonly world: World;
  private readonly random: Random;
  private lost = 0;
  private keys = 0;

  constructor(world: World) {
    this.world = world;
    this.random = world.random.fork();
  }

  play(): void {
    const { world, random } = this;
    const { scenario, timeline } = world;
    while (timeline.now < scenario.stormMs) {
      timeline.run(timeline.now + scenario.pauseMs * (0.5 + random.unit()));
      this.ask();
      if (random.chance(scenario.cuts)) world.network.cut(world.nodes);
      if (random.chance(scenario.powerCuts)) world.power.cutPower();
      if (random.chance(scenario.changes)) this.change();
      if (this.lost < scenario.amnesias && random.chance(0.03)) this.lose();
    }
  }

  /** A request: to all as clients do, or to some; sometimes one that was sent before. */
  ask(): void {
    const { world, random } = this;
    const old = random.chance(0.2) ? world.clients.old() : null;
    if (old !== null) {
      world.counts.add('request sent again');
      world.submit(old, world.nodes, random.chance(0.5));
      return;
    }
    const sent = world.clients.next();
    if (random.chance(0.15)) world.censor(sent);
    const some = world.nodes.filter(() => random.chance(0.5));
    world.submit(sent, random.chance(0.7) ? world.nodes : some);
  }

  /** A correct replica's disk is gone; after a while operators give it a new key. */
  private lose(): void {
    const { world, random } = this;
    const node = random.pick(
      world.nodes.filter((each) => isCorrect(each) && each.operator !== SPARE),
    );
    if (node.hasLostLog || node.keyName !== firstKeyOf(node.operator)) return;
    if (!node.isDown) world.power.crash(node);
    if (!world.power.loseLog(node)) return;
    this.lost += 1;
    if (random.chance(0.5)) world.timeline.in(world.scenario.timeoutMs, () => this.rotate(node));
  }

  private rotate(node: Node): void {
    const { world } = this;
    this.keys += 1;
    const keyName = `vote ${this.keys} of ${node.operator}`;
    const { epoch } = world.chain.constitution;
    const body = {
      type: 'rotate-replica' as const,
      epoch: BigInt(epoch),
      ...replicaOf(world.keys, node.operator, keyName),
    };
    world.submit(world.clients.change(body, this.operators(), keyName));
    world.power.rekey(node, keyName);
  }

  private operators(): string[] {
    const { world } = this;
    const ids = new Set(world.chain.constitution.members.map(({ id }) => id));
    const names = world.nodes.filter(({ link, twin }) => ids.has(link) && twin === 0);
    return names.map(({ operator }) => operator);
  }

  /** Operators change who votes, or how: one replica more or less, another time, a gateway. */
  private change(): void {
    const { world, random } = this;
    const { constitution } = world.chain;
    const operators = this.operators();
    const epoch = BigInt(constitution.epoch);
    const isSpareIn = operators.includes(SPARE);
    const count = operators.length;
    if (random.chance(0.4)) {
      const { timeoutMs } = world.scenario;
      const parameters = parametersOf({ timeoutMs, batchMax: 1 + random.below(4) });
      world.submit(
        world.clients.change({ type: 'set-parameters', epoch, ...parameters } as never, operators),
      );
    } else if (!isSpareIn) {
      const keys = replicaOf(world.keys, SPARE, firstKeyOf(SPARE));
      const body = { type: 'add-replica' as const, epoch, ...keys, address: utf8('host-x:1') };
      world.submit(world.clients.change(body, operators, firstKeyOf(SPARE)));
    } else if (count > REPLICAS_MIN && faultyOf(count - 1) === faultyOf(count)) {
      // Its key was a voter's: it cannot come again, and so leaves once.
      const { operatorKey } = replicaOf(world.keys, SPARE, firstKeyOf(SPARE));
      world.submit(
        world.clients.change({ type: 'remove-replica', epoch, operatorKey } as never, operators),
      );
    }
  }
}
