import { invariant } from '#lib/kernel/assert.ts';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import { faultyOf } from '#lib/ledger/pbft/quorum.ts';
import { Cluster, type Node } from './replica-cluster.ts';

/** What a run met: the tests see that disturbances of each kind were there. */
export interface Met {
  executed: number;
  newViews: number;
  transfers: number;
  epochs: number;
  evidence: number;
  amnesias: number;
  crashes: number;
}

const STORM_MS = 3_000;

/**
 * One cluster under loss, reordering, duplicates, cuts (one-way too), crashes with records not yet on
 * disk, clock skew, twins, amnesia and a change of members, all drawn from `seed`. The cluster's checkers
 * throw on a broken promise; here only liveness is asked for, once the network has healed.
 */
export function stormRun(seed: number): Met {
  const random = seededRandom(seed);
  const n = 4 + random.below(4);
  const faulty = faultyOf(n);
  const twinned = random.chance(0.5) ? faulty : 0;
  const twins = Array.from({ length: twinned }, (_, i) => `r${i}`);
  const cluster = new Cluster({ n, twins, extra: ['x'] });
  const met = {
    executed: 0,
    newViews: 0,
    transfers: 0,
    epochs: 0,
    evidence: 0,
    amnesias: 0,
    crashes: 0,
  };
  const cut = disturb(cluster, random);
  for (const node of cluster.nodes) node.skewMs = random.below(1_000) - 500;
  const amnesiac = twinned === 0 && random.chance(0.3) ? n - 1 : -1;
  const correct = cluster.nodes.flatMap(({ name }, i) =>
    cluster.liars.has(name) || name === 'x' || i === amnesiac ? [] : [i],
  );
  let asked = 0;
  while (cluster.nowMs < STORM_MS) {
    cluster.run(20 + random.below(80));
    if (random.chance(0.5)) ask(cluster, random, `q${(asked += 1)}`);
    if (random.chance(0.05)) cut();
    if (random.chance(0.04)) ask(cluster, random, membersOf(n, random));
    const index = random.below(n);
    if (random.chance(0.06) && !cluster.node(index).isDown) {
      met.crashes += 1;
      cluster.crash(index);
    }
    if (random.chance(0.2)) revive(cluster, random.below(n));
  }
  heal(cluster, { n, amnesiac });
  live(cluster, correct, seed);
  met.executed = cluster.chain.size;
  met.newViews = cluster.sent.get('new-view') ?? 0;
  met.transfers = cluster.sent.get('state') ?? 0;
  for (const node of cluster.nodes) {
    met.epochs = Math.max(met.epochs, node.state.constitution.epoch);
    met.evidence += node.evidence.length;
    met.amnesias += node.amnesias.length;
  }
  return met;
}

function ask(cluster: Cluster, random: Random, name: string): void {
  const all = cluster.nodes.map((_, i) => i);
  // Twins hear of different requests first: that makes them propose different batches.
  cluster.request(name, random.chance(0.7) ? all : all.filter(() => random.chance(0.5)));
}

/** The same members, the last of them perhaps exchanged for the observer. */
function membersOf(n: number, random: Random): string {
  const names = Array.from({ length: n }, (_, i) => `r${i}:r${i}`);
  if (random.chance(0.5)) names.push('x:x');
  return `members ${names.join(' ')}`;
}

function revive(cluster: Cluster, index: number): void {
  if (cluster.node(index).isDown) cluster.restart(index);
}

/** Sets the network's fate; what comes back draws a new cut. */
function disturb(cluster: Cluster, random: Random): () => void {
  const loss = random.pick([0, 0.05, 0.3]);
  const duplicates = random.pick([0, 0.1]);
  const slowest = random.pick([5, 40, 200]);
  const network = random.fork();
  let blocked = new Set<string>();
  cluster.diskMs = () => 1 + network.below(6);
  cluster.fate = (from, to) => {
    if (blocked.has(`${indexOf(cluster, from)}>${indexOf(cluster, to)}`)) return [];
    if (isOtherTwins(cluster, from, to)) return [];
    if (network.chance(loss)) return [];
    const delay = (): number => 1 + network.below(slowest);
    return network.chance(duplicates) ? [delay(), delay()] : [delay()];
  };
  return () => {
    const count = cluster.nodes.length;
    blocked = new Set();
    if (random.chance(0.4)) return;
    const group = new Set(cluster.nodes.map((_, i) => i).filter(() => random.chance(0.4)));
    const isOneWay = random.chance(0.4);
    for (let a = 0; a < count; a += 1) {
      for (let b = 0; b < count; b += 1) {
        if (group.has(a) !== group.has(b) && (group.has(a) || !isOneWay)) blocked.add(`${a}>${b}`);
      }
    }
  };
}

const indexOf = (cluster: Cluster, node: Node): number => cluster.nodes.indexOf(node);

/** Of two instances with one key each speaks to its half only. */
function isOtherTwins(cluster: Cluster, from: Node, to: Node): boolean {
  if (!cluster.liars.has(from.name) || cluster.liars.has(to.name)) return false;
  const isSecond =
    cluster.nodes.findIndex(({ name }) => name === from.name) !== indexOf(cluster, from);
  return (indexOf(cluster, to) % 2 === 1) !== isSecond;
}

function heal(cluster: Cluster, { n, amnesiac }: { n: number; amnesiac: number }): void {
  cluster.diskMs = () => 1;
  cluster.fate = (from, to) => (isOtherTwins(cluster, from, to) ? [] : [10]);
  for (let i = 0; i < cluster.nodes.length; i += 1) {
    if (i === amnesiac) {
      cluster.node(i).disk.loseLast(1);
      cluster.restart(i);
    } else if (i < n) {
      revive(cluster, i);
    }
  }
}

/**
 * A new request is executed by f + 1 correct replicas. One that left the view alone keeps its promise and
 * votes no more in it: it follows at the next checkpoint, so that one is brought about.
 */
function live(cluster: Cluster, correct: readonly number[], seed: number): void {
  const name = 'after the storm';
  const have = (): number[] => correct.filter((index) => cluster.isExecutedBy(name, [index]));
  const enough = faultyOf(cluster.node(correct[0]!).state.constitution.members.length) + 1;
  cluster.request(name);
  const took = cluster.until(() => have().length >= enough, 60_000);
  invariant(took < Infinity, `liveness after healing, seed ${seed}`);
  for (let i = 0; i < 60 && have().length < correct.length; i += 1) {
    cluster.request(`more ${i}`);
    cluster.run(300);
  }
  invariant(have().length === correct.length, `all follow, seed ${seed}`);
}
