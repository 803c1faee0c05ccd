import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { instantMs } from '#lib/kernel/units.ts';
import type { Change } from '#lib/ledger/account/codec/bodies.ts';
import type { Genesis } from '#lib/ledger/account/genesis.ts';
import type { LedgerState } from '#lib/ledger/account/state.ts';
import { ledgerApplication, ledgerState } from '#lib/ledger/application/application.ts';
import { leafHash } from '#lib/ledger/crypto/merkle.ts';
import { appendLeaf, EMPTY_RANGE } from '#lib/ledger/crypto/mountain-range.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { TIMES } from '#lib/ledger/pbft/limits.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { decodeMessage, encodeMessage } from '#lib/ledger/pbft/messages/message.ts';
import type { Seal } from '#lib/ledger/pbft/messages/seal.ts';
import { createReplica, stepReplica, type ReplicaState } from '#lib/ledger/pbft/replica.ts';
import { isPrimary } from '#lib/ledger/pbft/state.ts';
import type { Effect, Environment, Link, ReplicaEvent } from '#lib/ledger/pbft/types.ts';
import { OPERATORS, signerOf, World } from './world.ts';

type Executed = Extract<Effect, { type: 'executed' }>;

/** A block as one replica has executed it. */
export interface KeptBlock extends Omit<Executed, 'type' | 'seal'> {
  readonly seal: Seal | null;
}

/** One replica's core, and what a store would keep of it. */
export interface LocalReplica {
  readonly id: string;
  readonly env: Environment;
  state: ReplicaState;
  /** By sequence. */
  readonly blocks: Map<number, KeptBlock>;
  readonly nodes: Map<string, Uint8Array>;
  isCut: boolean;
}

/**
 * Replicas of real ledgers with real keys on a network without delay and disks that are at once done:
 * what is submitted is executed when the call returns. Same calls, same bytes.
 */
export class LocalCluster {
  /** Makes and signs transactions; its state is the first replica's. */
  readonly world: World;
  readonly replicas: LocalReplica[];
  #queue: { readonly to: LocalReplica; readonly event: ReplicaEvent }[] = [];
  /** How far the monotonic clock is ahead of the wall's. */
  #restedMs = 0;

  /** @param begin what the ledger begins with in the place of its genesis' state. */
  constructor(
    parameters: Partial<Genesis['parameters']> = {},
    begin: (world: World) => LedgerState = ({ state }) => state,
  ) {
    this.world = new World(parameters, signerOf);
    this.world.state = begin(this.world);
    this.replicas = OPERATORS.map((operator, i) => this.#replica(operator, `vote ${i}`));
  }

  #replica(operator: string, voteKey: string): LocalReplica {
    const { chain } = this.world;
    const rules = { chain, verify: serverVerifier(), sha256: nodeSha256 };
    const env: Environment = {
      ...rules,
      genesis: this.world.state,
      genesisTimeMs: Number(this.world.genesis.timeMs),
      application: ledgerApplication(rules),
      signer: signerOf(voteKey),
    };
    const state = createReplica(env, this.#now());
    const id = Buffer.from(this.world.key(operator)).toString('hex');
    const replica = { id, env, state, blocks: new Map(), nodes: new Map(), isCut: false };
    keepNodes(replica, state.head.headerHash);
    return replica;
  }

  replica(index: number): LocalReplica {
    return must(this.replicas[index], 'a replica');
  }

  #now() {
    const wallMs = Number(this.world.timeMs);
    const sinceMs = wallMs - Number(this.world.genesis.timeMs);
    return { atMs: instantMs(sinceMs + this.#restedMs), wallMs };
  }

  /** To all replicas, each after the other, as by one client. */
  submit(...transactions: readonly Uint8Array[]): void {
    const link: Link = { kind: 'client', id: 'test' };
    for (const request of transactions) {
      const bytes = encodeMessage({ type: 'request', request });
      for (const to of this.replicas) this.#put(to, { type: 'message', bytes, link });
    }
    this.#run();
  }

  /** To one of them. */
  submitTo(index: number, request: Uint8Array): void {
    const bytes = encodeMessage({ type: 'request', request });
    const link: Link = { kind: 'client', id: 'test' };
    this.#put(this.replica(index), { type: 'message', bytes, link });
    this.#run();
  }

  /** Time passes, and what falls due in it happens. */
  wait(ms: number): void {
    this.world.timeMs += BigInt(ms);
    for (const to of this.replicas) this.#put(to, { type: 'tick' });
    this.#run();
  }

  /** A change that a quorum of operators has approved, and empty blocks until its epoch begins. */
  change<C extends Change>(body: Parameters<typeof this.world.change<C>>[0]): void {
    this.submit(this.world.sign({ by: OPERATORS[0], body: this.world.change<C>(body) }));
  }

  /** The replica votes with another key from the next epoch on, as after a loss of its log. */
  rotate(index: number, voteKey: string): void {
    const { world } = this;
    const operatorKey = world.key(must(OPERATORS[index], 'an operator'));
    const transportKey = world.key(`transport of ${voteKey}`);
    const possession = world.possession(voteKey, operatorKey);
    const keys = { operatorKey, voteKey: world.key(voteKey), transportKey, possession };
    this.change({ type: 'rotate-replica', ...keys });
    const replica = this.replica(index);
    const env = { ...replica.env, signer: signerOf(voteKey) };
    replica.state = { ...replica.state, env, self: index };
  }

  #put(to: LocalReplica, event: ReplicaEvent): void {
    this.#queue.push({ to, event });
  }

  #run(): void {
    this.#drain();
    // Batches leave some time apart: it passes, but not by the clock that blocks tell.
    while (this.replicas.some(({ state, isCut }) => !isCut && isPrimary(state) && state.isSpaced)) {
      this.#restedMs += TIMES.batchSpacingMs;
      for (const to of this.replicas) this.#put(to, { type: 'tick' });
      this.#drain();
    }
    const { world } = this;
    const { head } = this.replica(0).state;
    world.state = ledgerState(head.app);
    world.sequence = BigInt(head.sequence);
  }

  #drain(): void {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const { to, event } = next;
      if (to.isCut) continue;
      const [state, effects] = stepReplica(to.state, event, this.#now());
      to.state = state;
      for (const effect of effects) this.#perform(to, effect);
    }
  }

  #perform(from: LocalReplica, effect: Effect): void {
    switch (effect.type) {
      case 'send': {
        const { to, bytes } = effect;
        const link: Link = { kind: 'replica', id: from.id };
        for (const each of this.replicas) {
          if (each === from || (to !== 'all' && to.id !== each.id)) continue;
          this.#put(each, { type: 'message', bytes, link });
        }
        return;
      }
      case 'persist':
        this.#put(from, { type: 'stored', id: effect.id });
        return;
      case 'stable':
        this.#put(from, { type: 'stored', id: effect.recordId });
        return;
      case 'executed':
        keep(from, effect);
        return;
      case 'evidence':
      case 'amnesia':
        return;
    }
  }
}

function keep(replica: LocalReplica, { header, batch, results, seal }: Executed): void {
  const message = seal === null ? null : decodeMessage(seal);
  const own = message === null || isFault(message) || message.type !== 'seal' ? null : message;
  replica.blocks.set(header.sequence, { header, batch, results, seal: own });
  keepNodes(replica, headerHash(header, nodeSha256));
}

/** The nodes that this header's leaf completes, for paths into the history. */
function keepNodes(replica: LocalReplica, hash: Uint8Array): void {
  const size = replica.blocks.size === 0 ? 0 : Math.max(...replica.blocks.keys());
  const leaf = leafHash(hash, nodeSha256);
  const nodeAt = (level: number, index: number) =>
    must(replica.nodes.get(`${level}/${index}`), 'a node of the range');
  const peaks = [];
  for (let level = 52, from = 0; level >= 0; level -= 1) {
    if (Math.floor(size / 2 ** level) % 2 === 0) continue;
    peaks.push(nodeAt(level, from / 2 ** level));
    from += 2 ** level;
  }
  const range = size === 0 ? EMPTY_RANGE : { size, peaks };
  for (const each of appendLeaf(range, leaf, nodeSha256).made) {
    replica.nodes.set(`${each.level}/${each.index}`, each.hash);
  }
}
