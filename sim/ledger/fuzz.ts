import type { Random } from '#lib/kernel/random.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { newViewBody, type NewView } from '#lib/ledger/pbft/messages/new-view.ts';
import { sealBodyBytes, type Seal } from '#lib/ledger/pbft/messages/seal.ts';
import { signedBytes, type SignedType } from '#lib/ledger/pbft/messages/signing.ts';
import type { StateTransfer } from '#lib/ledger/pbft/messages/state-transfer.ts';
import {
  viewChangeBody,
  type PreparedCertificate,
  type ViewChange,
} from '#lib/ledger/pbft/messages/view-change.ts';
import { voteBodyBytes, type Vote } from '#lib/ledger/pbft/messages/vote.ts';
import { inWindow, isPrimary } from '#lib/ledger/pbft/state.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import type { Node } from './node.ts';

/**
 * Small, meant changes of what a faulty replica says, signed with its own key (ByzzFuzz, Winter et al.,
 * OOPSLA 2023): what a mistaken or bought replica could send, and most likely to be taken.
 */
export class Fuzz {
  private readonly random: Random;
  private readonly again: (name: string) => Signer;
  /** Digests and batches that were proposed, to be named where they do not belong. */
  private readonly batches: { readonly digest: Uint8Array; readonly bytes: Uint8Array }[] = [];
  /** Certificates and checkpoints that were told of, to be told again. */
  private readonly certificates: PreparedCertificate[] = [];

  constructor(random: Random, again: (name: string) => Signer) {
    this.random = random;
    this.again = again;
  }

  /** All that goes over the wire may be used. */
  overhears(message: Message): void {
    if (message.type === 'pre-prepare') {
      const { vote, batch } = message;
      this.batches.push({ digest: vote.digest, bytes: batch });
      if (this.batches.length > 64) this.batches.shift();
    }
    if (message.type === 'view-change') {
      this.certificates.push(...message.prepared);
      this.certificates.splice(0, this.certificates.length - 64);
    }
  }

  /** What goes out in the place of `message`; the same again where there is nothing to change. */
  changed(node: Node, message: Message): Message {
    const self = { node, sign: this.signerOf(node) };
    switch (message.type) {
      case 'pre-prepare':
        if (message.vote.replica !== node.state.self) return message;
        return this.proposal(self, message);
      case 'prepare':
      case 'commit':
        return this.proposalPastEnd(self) ?? this.vote(self, message);
      case 'seal':
        return this.seal(self, message);
      case 'view-change':
        return this.viewChange(self, message);
      case 'new-view':
        return message.replica === node.state.self ? this.newView(self, message) : message;
      case 'state':
        return this.state(message);
      case 'parts':
        return { ...message, parts: message.parts.map((part) => part.map((byte) => byte ^ 1)) };
      case 'status':
        return this.random.chance(0.5)
          ? { ...message, stable: message.stable + 8, executed: message.executed + 8 }
          : { ...message, view: message.view + 1 };
      default:
        return message;
    }
  }

  /** A PREPARE for what it proposes itself. */
  prepare(node: Node, vote: Vote): Message {
    return signed({ node, sign: this.signerOf(node) }, { ...vote, type: 'prepare' as const });
  }

  private signerOf(node: Node) {
    const { signer, chain } = node.env;
    return (type: SignedType, body: Uint8Array): Uint8Array =>
      signer.sign(signedBytes(type, chain, body));
  }

  private proposal(self: Self, message: Message & { type: 'pre-prepare' }): Message {
    const { random } = this;
    const { application } = self.node.env;
    const other = random.chance(0.5)
      ? application.checkBatch(application.writeBatch(0, []))
      : application.checkBatch(random.pick(this.batches).bytes);
    const { vote } = message;
    const { endsAfter } = self.node.state.head.constitution;
    switch (endsAfter !== null && random.chance(0.7) ? 1 : random.below(5)) {
      case 0:
        return { ...message, vote: { ...vote, digest: nodeSha256(vote.digest) } };
      case 1: {
        // Past the end of the epoch, where it has one.
        const sequence = (endsAfter ?? vote.sequence) + random.pick([1, 8, 16]);
        return { ...message, vote: signed(self, { ...vote, sequence }) };
      }
      case 2:
        // The signature holds, and the batch is another.
        return other === null ? message : { ...message, batch: other.bytes };
      default:
        if (other === null) return message;
        return {
          ...message,
          batch: other.bytes,
          vote: signed(self, { ...vote, digest: other.digest }),
        };
    }
  }

  /**
   * Of the primary of an epoch that ends, once its last checkpoint but one is stable: before that, all past
   * c is outside of the window, and by then an honest core has proposed all that it may.
   */
  private proposalPastEnd(self: Self): Message | null {
    const { random, batches } = this;
    const { state } = self.node;
    const { endsAfter, epoch } = state.head.constitution;
    const isNear = endsAfter !== null && inWindow(state, endsAfter + 1) && isPrimary(state);
    if (!isNear || batches.length === 0 || random.chance(0.5)) return null;
    const { digest, bytes } = random.pick(batches);
    const { self: replica, view } = state;
    const sequence = endsAfter + 1 + random.below(2);
    const body = { type: 'pre-prepare' as const, epoch, view, sequence, digest, replica };
    const vote = { ...body, signature: self.sign('pre-prepare', voteBodyBytes(body)) };
    return { type: 'pre-prepare', vote, batch: bytes };
  }

  private vote<T extends Vote & { readonly type: 'prepare' | 'commit' }>(self: Self, vote: T): T {
    const { random } = this;
    switch (random.below(5)) {
      case 0:
        return signed(self, { ...vote, digest: nodeSha256(vote.digest) });
      case 1:
        return signed(self, { ...vote, view: vote.view + 1 });
      case 2:
        return signed(self, { ...vote, sequence: vote.sequence + random.pick([1, 8]) });
      case 3: {
        // Once more under another signature: still one replica.
        const signer = this.again(self.node.keyName);
        const bytes = signedBytes(vote.type, self.node.env.chain, voteBodyBytes(vote));
        return { ...vote, signature: signer.sign(bytes) };
      }
      default:
        if (this.batches.length === 0) return vote;
        return signed(self, { ...vote, digest: random.pick(this.batches).digest });
    }
  }

  private seal(self: Self, seal: Seal): Seal {
    const changed = { ...seal, headerHash: nodeSha256(seal.headerHash) };
    return { ...changed, signature: self.sign('seal', sealBodyBytes(changed)) };
  }

  private viewChange(self: Self, message: ViewChange): ViewChange {
    const changed = this.viewChangeBody(self, message);
    return { ...changed, signature: self.sign('view-change', viewChangeBody(changed)) };
  }

  private viewChangeBody({ node }: Self, message: ViewChange): ViewChange {
    const { random } = this;
    const { prepared } = message;
    const [first] = prepared;
    switch (random.below(6)) {
      case 0:
        return { ...message, prepared: prepared.slice(0, -1) };
      case 1: {
        const { base } = node.state;
        return { ...message, checkpoint: { epoch: message.epoch, ...base, seals: [] } };
      }
      case 2:
        // A slot that never prepared, with a batch that is wanted there.
        return { ...message, prepared: this.forged(message) };
      case 3:
        if (first === undefined) return message;
        return { ...message, prepared: [{ ...first, prepares: first.prepares.slice(1) }] };
      case 4:
        if (first === undefined) return message;
        return { ...message, prepared: [{ ...first, digest: nodeSha256(first.digest) }] };
      default: {
        const old = this.certificates.filter(
          ({ epoch, view, sequence }) =>
            epoch === message.epoch &&
            view < message.view &&
            sequence > message.checkpoint.sequence &&
            sequence <= message.checkpoint.sequence + 16,
        );
        return old.length === 0 ? message : { ...message, prepared: [random.pick(old)] };
      }
    }
  }

  private forged(message: ViewChange): readonly PreparedCertificate[] {
    const { epoch, view, checkpoint, replica, signature } = message;
    if (this.batches.length === 0) return [];
    const { digest } = this.random.pick(this.batches);
    const sequence = checkpoint.sequence + 1 + this.random.below(4);
    const proposal = { replica: 0, signature };
    const others = [1, 2, 3].map((each) => ({ replica: each, signature }));
    const prepares = others.filter((each) => each.replica !== replica);
    return [{ epoch, view: view - 1, sequence, digest, proposal, prepares }];
  }

  private newView(self: Self, message: NewView): NewView {
    const changed = this.newViewBody(self, message);
    return { ...changed, signature: self.sign('new-view', newViewBody(changed)) };
  }

  private newViewBody(self: Self, message: NewView): NewView {
    const { random } = this;
    const { carried, viewChanges } = message;
    switch (random.below(5)) {
      case 0:
        return { ...message, carried: carried.slice(0, -1) };
      case 1:
        return { ...message, viewChanges: viewChanges.slice(1) };
      case 2:
        return { ...message, minSequence: message.minSequence + 8 };
      default: {
        if (carried.length === 0 && this.batches.length === 0) return message;
        const at = random.below(Math.max(1, carried.length));
        const { application } = self.node.env;
        const gap = application.checkBatch(application.writeBatch(0, []));
        const digest =
          this.batches.length > 0 && random.chance(0.5)
            ? random.pick(this.batches).digest
            : (gap?.digest ?? new Uint8Array(32));
        const { epoch, view, replica, minSequence } = message;
        const body = { epoch, view, replica, sequence: minSequence + 1 + at, digest };
        const signature = self.sign('pre-prepare', voteBodyBytes(body));
        const all = [...carried];
        all[at] = { digest, signature };
        return { ...message, carried: all };
      }
    }
  }

  /** The same state under a header that nobody sealed, or under the true one other parts, with their hashes or not. */
  private state(message: StateTransfer): StateTransfer {
    if (this.random.chance(0.5)) {
      const parts = message.parts.map((part) => part.map((byte) => byte ^ 1));
      const partHashes = [...parts.map(nodeSha256), ...message.partHashes.slice(parts.length)];
      return this.random.chance(0.5) ? { ...message, parts } : { ...message, parts, partHashes };
    }
    const header = { ...message.header, timeMs: message.header.timeMs + 1 };
    const certificate = { ...message.certificate, headerHash: headerHash(header, nodeSha256) };
    return { ...message, header, certificate };
  }
}

interface Self {
  readonly node: Node;
  readonly sign: (type: SignedType, body: Uint8Array) => Uint8Array;
}

const signed = <T extends Vote>({ sign }: Self, vote: T): T => ({
  ...vote,
  signature: sign(vote.type, voteBodyBytes(vote)),
});
