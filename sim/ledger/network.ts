import type { Random } from '#lib/kernel/random.ts';
import type { Counts } from './counts.ts';
import type { Node } from './node.ts';
import type { Scenario } from './scenario.ts';

/** Links that lose, double, delay and re-order what they carry, and that may be cut, one way too. */
export class Network {
  private readonly random: Random;
  private readonly scenario: Scenario;
  private readonly counts: Counts;
  private readonly cuts = new Set<string>();
  /** By twin pair (its link), which of the two each machine talks with. */
  private readonly sides = new Map<string, Map<number, 0 | 1>>();
  private readonly sent = new Map<string, number>();
  private readonly arrived = new Map<string, number>();
  /** Once the network has healed, everything takes so long. */
  private healedMs: number | null = null;

  constructor(random: Random, scenario: Scenario, counts: Counts) {
    this.random = random;
    this.scenario = scenario;
    this.counts = counts;
  }

  /** Delays after which a message arrives: none where it is lost, two where it is doubled. */
  fate(from: Node, to: Node): readonly number[] {
    if (!this.isTwinOf(from, to) || !this.isTwinOf(to, from)) return [];
    if (this.cuts.has(`${from.index}>${to.index}`)) {
      this.counts.add('lost in a cut');
      return [];
    }
    return this.delays();
  }

  /** Between clients and replicas nothing is cut, but lost and late as well. */
  delays(): readonly number[] {
    const { random, scenario } = this;
    if (this.healedMs !== null) return [this.healedMs];
    if (random.chance(scenario.loss)) {
      this.counts.add('lost');
      return [];
    }
    const delay = (): number => 1 + random.below(scenario.slowestMs);
    if (!random.chance(scenario.duplicates)) return [delay()];
    this.counts.add('doubled');
    return [delay(), delay()];
  }

  /** Numbers what goes over a link; `arrives` tells whether a later one came first. */
  leaves(from: Node, to: Node): number {
    const link = `${from.index}>${to.index}`;
    const number = (this.sent.get(link) ?? 0) + 1;
    this.sent.set(link, number);
    return number;
  }

  arrives(from: Node, to: Node, number: number): void {
    const link = `${from.index}>${to.index}`;
    const last = this.arrived.get(link) ?? 0;
    this.counts.add('delivered');
    if (number < last) this.counts.add('delivered out of order');
    this.arrived.set(link, Math.max(last, number));
  }

  /** Another cut, or none. */
  cut(nodes: readonly Node[]): void {
    const { random } = this;
    this.cuts.clear();
    this.draw(nodes);
    if (random.chance(0.3)) return;
    const group = new Set(nodes.filter(() => random.chance(0.35)).map(({ index }) => index));
    const isOneWay = random.chance(0.5);
    for (const { index: a } of nodes) {
      for (const { index: b } of nodes) {
        if (group.has(a) === group.has(b) || (isOneWay && !group.has(a))) continue;
        this.cuts.add(`${a}>${b}`);
      }
    }
    if (this.cuts.size > 0) this.counts.add(isOneWay ? 'one-way cut' : 'cut');
  }

  /** Draws anew which twin each machine talks with. */
  draw(nodes: readonly Node[]): void {
    for (const { link, role } of nodes) {
      if (role !== 'twin') continue;
      const sides = nodes.map(({ index }) => [index, this.random.below(2) as 0 | 1] as const);
      this.sides.set(link, new Map(sides));
    }
  }

  private isTwinOf(twin: Node, other: Node): boolean {
    if (twin.role !== 'twin') return true;
    return (this.sides.get(twin.link)?.get(other.index) ?? 0) === twin.twin;
  }

  heal(healedMs: number): void {
    this.healedMs = healedMs;
    this.cuts.clear();
  }
}
