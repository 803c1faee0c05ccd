import { faultyOf, weakQuorumOf } from '#lib/ledger/pbft/quorum.ts';
import type { Sent } from './clients.ts';
import { expected, LedgerFailure } from './failure.ts';
import { isCorrect, type Node } from './node.ts';
import { Readers } from './readers.ts';
import { Storm } from './storm.ts';
import { World, type WorldOptions } from './world.ts';

export interface RunReport {
  readonly seed: number;
  readonly hash: string;
  readonly failure: LedgerFailure | null;
  readonly counts: ReadonlyMap<string, number>;
  readonly lines: readonly string[] | null;
}

/** One seed from beginning to end: everything that happens follows from it. */
export function runLedger(seed: number, options: WorldOptions = {}): RunReport {
  const world = new World(seed, options);
  let failure: LedgerFailure | null = null;
  try {
    play(world);
  } catch (error) {
    if (error instanceof LedgerFailure) failure = error;
    // By name: another copy of the core has a class of its own.
    else if (error instanceof Error && error.name === 'InvariantError')
      failure = new LedgerFailure('invariant', error.message);
    else throw error;
    const { message } = failure;
    world.log(() => `FAILED ${message}`);
  }
  const { trace, counts } = world;
  return { seed, hash: trace.hash, failure, counts: counts.all, lines: trace.lines };
}

function play(world: World): void {
  const readers = new Readers(world);
  const storm = new Storm(world);
  storm.play();
  heal(world);
  const final = world.clients.grant('after the storm');
  world.censor(final);
  world.submit(final);
  commits(world, storm, final);
  follow(world, storm, final);
  readers.checkAcknowledged();
  world.chain.checkSupply();
  const { counts, chain, boundaries } = world;
  counts.add('epoch change', chain.epochs.length - 1);
  const changed = [...boundaries].filter((epoch) => epoch < chain.epochs.length);
  counts.add('epoch change with a view change at it', changed.length);
  counts.add('checkpoint taken by a light client', world.light.taken);
  counts.add('equivocation', world.votes.equivocations);
  counts.add(`n = ${world.scenario.n}`);
  for (const role of new Set(world.scenario.roles)) counts.add(`seeds with a faulty one: ${role}`);
  const met = (share: string, ...parts: readonly string[]): void => {
    if (parts.some((part) => counts.of(part) > 0)) counts.add(share);
  };
  met('seeds with a loss', 'lost', 'lost in a cut');
  met('seeds with a duplicate', 'doubled');
  met('seeds with a one-way cut', 'one-way cut');
}

function heal(world: World): void {
  world.log(() => 'healed');
  world.network.heal(world.scenario.healedMs);
  world.scene.end();
  // Who has lost its log has written another since: the next start must not take it for whole.
  for (const node of world.nodes) if (node.hasLostLog && !node.isDown) world.power.crash(node);
  world.power.heal();
}

const hasExecuted = (world: World, node: Node, id: string): boolean => {
  const outcome = world.chain.outcomes.get(id);
  return outcome !== undefined && node.state.head.sequence >= outcome.sequence;
};

const correctOf = (world: World): Node[] => world.nodes.filter((node) => isCorrect(node));

/** Whether a timeout of `T` lasts a view change and an agreement. */
const ROUNDS = 9;

/**
 * With f still faulty a new request commits within f + 2 current timeouts, each twice the one before,
 * and 10 δ; where the network is slower than T it must first be doubled often enough.
 */
function patienceOf(world: World): number {
  const { members, parameters } = world.chain.constitution;
  const voting = correctOf(world).filter((node) => world.core.inspect(node.state).votes);
  const doublings = Math.max(0, ...voting.map((node) => world.core.inspect(node.state).doublings));
  const { healedMs } = world.scenario;
  let views = faultyOf(members.length) + 2;
  for (let k = doublings; parameters.timeoutMs * 2 ** k < ROUNDS * healedMs; k += 1) views += 1;
  let sum = 10 * healedMs;
  for (let k = 0; k < views; k += 1) {
    sum += parameters.timeoutMs * 2 ** Math.min(6, doublings + k);
  }
  return sum;
}

function commits(world: World, storm: Storm, final: Sent): void {
  const { timeline } = world;
  let began = timeline.now;
  let most = patienceOf(world);
  let { epoch } = world.chain.constitution;
  const enough = weakQuorumOf(world.chain.constitution.members.length);
  const done = (): boolean =>
    correctOf(world).filter((node) => hasExecuted(world, node, final.id)).length >= enough;
  while (!done() && timeline.now - began <= most) {
    timeline.run(timeline.now + Math.min(10, world.scenario.healedMs));
    if (world.random.chance(0.1)) storm.ask();
    if (world.chain.constitution.epoch === epoch) continue;
    // What was on its way ends the epoch: the next one begins in view 0, with T as it is.
    ({ epoch } = world.chain.constitution);
    began = timeline.now;
    most = patienceOf(world);
  }
  const took = timeline.now - began;
  world.counts.add('share of the patience, in percent', Math.round((100 * took) / most));
  expected(done(), 'liveness', () => {
    return `no new request in ${took.toFixed(0)} ms after healing, ${most.toFixed(0)} ms are enough`;
  });
}

/** More requests than a checkpoint needs, so that whoever is behind comes up. */
const MORE = 40;
const FAST_MS = 3;

function follow(world: World, storm: Storm, final: Sent): void {
  const { timeline, scenario } = world;
  // However slow it was: what comes now is the end.
  world.network.heal(FAST_MS);
  const isBehind = (node: Node): boolean => !hasExecuted(world, node, final.id);
  for (let i = 0; i < MORE && correctOf(world).some(isBehind); i += 1) {
    storm.ask();
    timeline.run(timeline.now + scenario.timeoutMs / 8);
  }
  const late = correctOf(world).filter(isBehind);
  expected(late.length === 0, 'liveness', () => {
    return `${late.map((node) => world.nameOf(node)).join(', ')} did not follow`;
  });
}
