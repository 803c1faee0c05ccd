import { seededRandom, type Random } from '#lib/kernel/random.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import { Timeline } from '#sim/timeline.ts';
import { OUR_CORE, type SimCore } from '#sim/core.ts';
import { Trace } from '#sim/trace.ts';
import { Ambushes } from './ambush.ts';
import type { Ground } from './ground.ts';
import { Monitor } from './monitor.ts';
import { Network } from './network.ts';
import { SimNode } from './node.ts';
import { drawScenario } from './draw.ts';
import { Office } from './office.ts';
import type { Scenario } from './scenario.ts';
import { Witness } from './witness.ts';

export interface WorldOptions {
  readonly keepLines?: boolean;
  readonly scenario?: Scenario;
  readonly core?: SimCore;
}

/** Everything of one run: made from a seed, held together by one virtual clock. */
export class World implements Ground {
  readonly timeline = new Timeline();
  readonly trace: Trace;
  readonly random: Random;
  readonly scenario: Scenario;
  readonly network: Network;
  readonly office: Office;
  readonly ambushes: Ambushes;
  readonly monitor: Monitor;
  readonly witness: Witness;
  readonly core: SimCore;
  readonly nodes = new Map<NodeId, SimNode>();
  /** How often what really happened, by name. */
  readonly counts = new Map<string, number>();

  constructor(seed: number, options: WorldOptions = {}) {
    const random = seededRandom(seed);
    this.trace = new Trace(options.keepLines ?? false);
    // Drawn from also where it is given: an undisturbed twin is the same world in all else.
    const drawing = random.fork();
    this.scenario = options.scenario ?? drawScenario(drawing);
    this.random = random.fork();
    this.core = options.core ?? OUR_CORE;
    this.monitor = new Monitor(this);
    this.witness = new Witness(this);
    this.network = new Network(this);
    this.office = new Office(this);
    this.ambushes = new Ambushes(this);
    for (let i = 0; i < this.scenario.nodes; i += 1) this.addNode();
  }

  addNode(): SimNode {
    const id = (this.nodes.size + 1).toString(16).padStart(64, '0') as NodeId;
    const node = new SimNode(this, id);
    this.nodes.set(id, node);
    node.join();
    return node;
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  log(line: () => string, mark = 0): void {
    this.trace.add(this.timeline.now, mark, line);
  }

  livingNodes(): SimNode[] {
    return [...this.nodes.values()].filter((node) => node.state === 'up');
  }
}
