import type { Random } from '#lib/kernel/random.ts';
import { decodeRecord } from '#lib/ledger/pbft/records.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { Application, Effect, Environment, ReplicaEvent } from '#lib/ledger/pbft/types.ts';
import type { LedgerCore } from './core.ts';
import { Disk } from './disk.ts';
import { isCorrect, type Node } from './node.ts';
import type { Patience } from './patience.ts';
import type { Role } from './scenario.ts';
import type { Surroundings } from './surroundings.ts';
import type { Votes } from './votes.ts';

/** Where on a record's way to the disk the power fails. */
const BARRIERS = ['before', 'torn', 'log only', 'synced', 'sent'] as const;
type Barrier = (typeof BARRIERS)[number];

/** The record at which a machine crashes. */
interface Doom {
  readonly id: number;
  readonly type: string;
  readonly barrier: Barrier;
}

/** How much more often than others: they come seldom. */
const WEIGHTS: Readonly<Record<string, number>> = {
  'new-view': 8,
  'view-change': 6,
  stable: 6,
  checkpoint: 6,
  batch: 20,
  propose: 2,
};

/** All effects of one step come at one instant. */
const STEP_MS = 0.01;

/** The machines that the power runs, and who watches them. */
interface Powered extends Surroundings {
  readonly core: LedgerCore;
  readonly application: Application;
  readonly votes: Votes;
  readonly patience: Patience;
  step(node: Node, event: ReplicaEvent): void;
  environment(keyName: string, role: Role | null): Environment;
  nameOf(node: Node): string;
}

/** Disks that take their time, crashes at every barrier, restarts, and logs that are lost. */
export class Power {
  private readonly world: Powered;
  private readonly random: Random;
  private readonly dooms = new Map<Disk, Doom>();
  private isHealed = false;

  constructor(world: Powered, random: Random) {
    this.world = world;
    this.random = random;
  }

  /** Something is to go to the disk: with all that comes meanwhile, in one group commit. */
  writes(node: Node, effect: Extract<Effect, { type: 'persist' | 'stable' }>): void {
    const { disk } = node;
    disk.write(effect);
    if (effect.type === 'persist') this.maybeDoom(node, effect);
    if (disk.unsynced === 1) this.turn(node);
  }

  /** The disk's next turn: all that one step wrote, and not what comes while it is at work. */
  private turn(node: Node): void {
    const { disk } = node;
    const { timeline, scenario } = this.world;
    const { lives } = disk;
    const isStill = (): boolean => node.disk === disk && disk.lives === lives && disk.unsynced > 0;
    timeline.in(STEP_MS, () => {
      if (!isStill()) return;
      const count = disk.unsynced;
      const delay = this.isHealed ? 1 : 0.5 + this.random.unit() * scenario.diskMs;
      timeline.in(delay, () => {
        if (!isStill()) return;
        this.sync(node, count);
        if (isStill()) this.turn(node);
      });
    });
  }

  private maybeDoom(node: Node, { id, record: bytes }: Extract<Effect, { type: 'persist' }>): void {
    if (this.isHealed || this.dooms.has(node.disk)) return;
    const record = decodeRecord(bytes);
    if (isFault(record)) return;
    const chance = this.world.scenario.crashes * (WEIGHTS[record.type] ?? 1);
    if (!this.random.chance(chance)) return;
    this.dooms.set(node.disk, { id, type: record.type, barrier: this.random.pick(BARRIERS) });
  }

  private sync(node: Node, count: number): void {
    const { disk } = node;
    const next = this.dooms.get(disk);
    const doom = next !== undefined && next.id <= disk.waitingId(count) ? next : undefined;
    if (doom !== undefined) {
      this.world.counts.add(`crash at ${doom.type}`);
      this.world.counts.add(`crash: ${doom.barrier}`);
    }
    if (doom?.barrier === 'torn' || doom?.barrier === 'log only') {
      disk.syncLogOnly(count, doom.barrier === 'torn');
    }
    if (doom !== undefined && doom.barrier !== 'sent' && doom.barrier !== 'synced') {
      this.crash(node);
      return;
    }
    const id = disk.sync(count);
    if (doom?.barrier === 'synced') {
      this.crash(node);
      return;
    }
    if (id > 0) this.world.step(node, { type: 'stored', id });
    if (doom !== undefined && !node.isDown) this.crash(node);
  }

  /** Power fails; it comes back after a while. */
  crash(node: Node): void {
    const { world, random } = this;
    node.isDown = true;
    node.disk.crash();
    this.dooms.delete(node.disk);
    world.log(() => `${world.nameOf(node)} crashes`);
    world.votes.crashed(node);
    const { timeoutMs } = world.scenario;
    world.timeline.in(timeoutMs * (0.05 + random.unit() * random.pick([0.3, 2])), () => {
      this.restart(node);
    });
  }

  restart(node: Node): void {
    if (!node.isDown) return;
    node.isDown = false;
    node.wakeAt = Infinity;
    this.world.log(() => `${this.world.nameOf(node)} starts`);
    this.world.step(node, { type: 'restart', image: node.disk.image() });
    this.world.patience.restarted(node, this.world.timeline.now);
  }

  /** A disk is wiped or damaged below its head. False: there was nothing to damage. */
  loseLog(node: Node): boolean {
    const { random, world } = this;
    const kind = random.below(3);
    const { disk } = node;
    const isLost = kind === 0 ? disk.loseLast() : kind === 1 ? disk.flip(random.unit()) : true;
    if (!isLost) return false;
    if (kind === 2) disk.wipe();
    node.hasLostLog = true;
    world.log(
      () => `the log of ${world.nameOf(node)} is ${['cut', 'damaged', 'wiped'][kind] ?? ''}`,
    );
    return true;
  }

  /** The machine begins anew with a new vote key, an empty folder and the genesis. */
  rekey(node: Node, keyName: string): void {
    const { world } = this;
    node.keyName = keyName;
    node.env = world.environment(keyName, node.role);
    node.disk = new Disk(world.application);
    node.hasLostLog = false;
    node.isDown = true;
    node.state = world.core.createReplica(node.env, { atMs: world.timeline.now, wallMs: 0 });
    world.counts.add('new vote key');
    this.restart(node);
  }

  /** Everybody at once. */
  cutPower(): void {
    this.world.counts.add('power cut');
    for (const node of this.world.nodes) if (!node.isDown) this.crash(node);
  }

  heal(): void {
    this.isHealed = true;
    this.dooms.clear();
    for (const node of this.world.nodes) this.restart(node);
  }

  /** Correct machines that run and have their log. */
  sound(): Node[] {
    return this.world.nodes.filter((node) => isCorrect(node) && !node.isDown && !node.hasLostLog);
  }
}
