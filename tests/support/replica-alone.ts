import { must } from '#lib/kernel/assert.ts';
import { utf8 } from '#lib/kernel/bytes.ts';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { signSeal, signVote } from '#lib/ledger/pbft/signatures.ts';
import type { CheckedBatch } from '#lib/ledger/pbft/types.ts';
import { counterApp } from './counter-app.ts';
import { Cluster, WALL_MS, type ClusterOptions, type Node } from './replica-cluster.ts';

/** Replicas that hear nothing but what a test injects; what they send is written down. */
export class Alone extends Cluster {
  readonly heard: { readonly from: Node; readonly message: Message }[] = [];

  constructor(options: ClusterOptions = {}) {
    super(options);
    this.fate = (from, to, message) => {
      if (to === this.nodes.find((node) => node !== from)) this.heard.push({ from, message });
      return [];
    };
  }

  /** What `index` has sent to all, of this type. */
  said<T extends Message['type']>(index: number, type: T): (Message & { type: T })[] {
    return this.heard
      .filter(({ from, message }) => from === this.node(index) && message.type === type)
      .map(({ message }) => message as Message & { type: T });
  }

  batch(...names: string[]): CheckedBatch {
    const bytes = counterApp.writeBatch(WALL_MS + this.nowMs, names.map(utf8));
    return must(counterApp.checkBatch(bytes), 'a valid batch');
  }

  /** A PRE-PREPARE as `primary` would sign it, in view 0 if `batch` does not say another. */
  proposal(primary: number, sequence: number, batch: CheckedBatch & { view?: number }): Message {
    const { state } = this.node(primary);
    const { view = 0 } = batch;
    const vote = signVote(state, 'pre-prepare', { view, sequence, digest: batch.digest });
    return { type: 'pre-prepare', vote, batch: batch.bytes };
  }

  vote(
    by: number,
    type: 'prepare' | 'commit',
    of: { sequence: number; digest: Uint8Array; view?: number },
  ): Extract<Message, { type: 'prepare' | 'commit' }> {
    return signVote(this.node(by).state, type, { view: 0, ...of });
  }

  seal(by: number, sequence: number, headerHash: Uint8Array): Message {
    return signSeal(this.node(by).state, { epoch: 0, sequence, headerHash });
  }

  /** Injects from the replica's own link. */
  tell(to: number, from: number, message: Message): void {
    this.inject(to, `r${from}`, message);
  }

  /** A slot committed at `to`, by everybody else's votes. */
  commit(to: number, sequence: number, batch: CheckedBatch): void {
    const others = this.nodes.map((_, i) => i).filter((i) => i !== to && i !== 0);
    const of = { sequence, digest: batch.digest };
    this.tell(to, 0, this.proposal(0, sequence, batch));
    for (const by of others) this.tell(to, by, this.vote(by, 'prepare', of));
    for (const by of [0, ...others]) this.tell(to, by, this.vote(by, 'commit', of));
    this.run(5);
  }
}
