import { toHex } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { weakQuorumOf } from '#lib/ledger/pbft/quorum.ts';
import type { Effect } from '#lib/ledger/pbft/types.ts';
import { expected } from './failure.ts';
import type { Node } from './node.ts';
import type { World } from './world.ts';

type Executed = Extract<Effect, { type: 'executed' }>;

/** What clients believe: f + 1 replicas of an epoch sealed one header with their transaction below it. */
export class Readers {
  private readonly world: World;
  private readonly sealed = new Map<string, Set<string>>();
  private readonly acknowledged = new Map<
    string,
    { readonly sequence: number; readonly hash: string }
  >();

  constructor(world: World) {
    this.world = world;
    world.onExecuted = (node, effect) => {
      if (effect.seal !== null) this.answer(node, effect);
    };
  }

  /** A replica answers all whose transactions the block holds, over links that lose. */
  private answer(node: Node, { header, batch }: Executed): void {
    const { world } = this;
    if (batch.ids.length === 0) return;
    for (const delay of world.network.delays()) {
      world.timeline.in(delay, () => {
        const hash = toHex(headerHash(header, nodeSha256));
        const by = this.sealed.get(hash) ?? new Set();
        this.sealed.set(hash, by.add(node.link));
        const members = world.chain.epochs[header.epoch]?.constitution.members ?? [];
        if (members.length === 0 || by.size !== weakQuorumOf(members.length)) return;
        for (const id of batch.ids) this.accept(id, header.sequence, hash);
      });
    }
  }

  private accept(id: string, sequence: number, hash: string): void {
    if (this.acknowledged.has(id)) return;
    this.acknowledged.set(id, { sequence, hash });
    this.world.counts.add('acknowledged');
    this.world.clients.sent.get(id)?.onDone();
  }

  /** All that a client was told is in the chain that every correct replica has. */
  checkAcknowledged(): void {
    const { chain } = this.world;
    for (const [id, { sequence, hash }] of this.acknowledged) {
      const known = chain.hashAt(sequence);
      const isThere = known !== null && toHex(known) === hash && chain.outcomes.has(id);
      expected(isThere, 'acknowledged', () => `${id.slice(0, 8)} at ${sequence} is not there`);
    }
  }
}
