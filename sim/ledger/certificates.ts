import { isFault } from '#lib/kernel/errors.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import {
  sealCertificateHolds,
  takeoverOf,
  viewChangeIsValid,
  type EpochFrame,
} from '#lib/ledger/pbft/certificates.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import type { NewView } from '#lib/ledger/pbft/messages/new-view.ts';
import { viewChangeBody, type ViewChange } from '#lib/ledger/pbft/messages/view-change.ts';
import { quorumOf } from '#lib/ledger/pbft/quorum.ts';
import { decodeRecord } from '#lib/ledger/pbft/records.ts';
import { newViewHolds, voteHolds } from '#lib/ledger/pbft/signatures.ts';
import type { Chain } from './chain.ts';
import { expected } from './failure.ts';
import type { Node } from './node.ts';

/** What a NEW-VIEW took over, for the table. */
export interface Taken {
  readonly carried: number;
  readonly gaps: number;
}

/** What correct replicas tell of themselves proves itself by our rules, and so does what they take. */
export class Certificates {
  private readonly chain: Chain;
  private readonly env: { readonly chain: Uint8Array; readonly verify: Verify };
  private readonly nullDigest: Uint8Array;
  private readonly judged = new Map<string, boolean>();

  constructor(of: {
    readonly chain: Chain;
    readonly env: { readonly chain: Uint8Array; readonly verify: Verify };
    readonly nullDigest: Uint8Array;
  }) {
    this.chain = of.chain;
    this.env = of.env;
    this.nullDigest = of.nullDigest;
  }

  /** A correct replica says this for the first time. */
  sent(node: Node, message: Message): void {
    if (message.type === 'view-change') {
      expected(this.holds(message), 'certificate', () => {
        return `the VIEW-CHANGE of ${node.operator} for ${message.view} does not hold`;
      });
    }
    if (message.type !== 'state') return;
    const { header, certificate } = message;
    const members = this.chain.epochs[header.epoch]?.constitution.members ?? [];
    const isProven =
      members.length > 0 &&
      bytesEqual(headerHash(header, nodeSha256), certificate.headerHash) &&
      sealCertificateHolds({ env: this.env, members }, certificate);
    expected(isProven, 'certificate', () => {
      return `${node.operator} gives a state at ${header.sequence} without q SEALs`;
    });
  }

  /** A correct replica writes down that it entered a view. @returns null: this was no NEW-VIEW. */
  recorded(node: Node, record: Uint8Array): Taken | null {
    const decoded = decodeRecord(record);
    if (isFault(decoded) || decoded.type !== 'new-view') return null;
    const { message } = decoded;
    const wrong = this.wrongIn(message);
    expected(wrong === null, 'certificate', () => {
      return `${node.operator} took a NEW-VIEW for ${message.view}: ${wrong ?? ''}`;
    });
    const gaps = message.carried.filter(({ digest }) => bytesEqual(digest, this.nullDigest));
    return { carried: message.carried.length - gaps.length, gaps: gaps.length };
  }

  private wrongIn(message: NewView): string | null {
    const { epoch, view, viewChanges, minSequence, carried } = message;
    const frame = this.frameOf(epoch);
    if (frame === null) return 'of no epoch';
    const { members } = frame.of;
    if (message.replica !== view % members.length) return 'of another primary';
    if (!newViewHolds(frame.of, message)) return 'its signature does not hold';
    if (viewChanges.length < quorumOf(members.length)) return 'fewer than q VIEW-CHANGEs';
    if (viewChanges.some((each) => each.view !== view || !this.holds(each)))
      return 'a VIEW-CHANGE that does not hold';
    const { checkpoint, digests } = takeoverOf(viewChanges);
    if (minSequence !== checkpoint.sequence) return 'another checkpoint';
    if (carried.length !== digests.length) return 'more or fewer slots';
    const isRight = carried.every(({ digest, signature }, i) => {
      const sequence = minSequence + 1 + i;
      const vote = { epoch, view, sequence, digest, replica: message.replica, signature };
      return (
        bytesEqual(digest, digests[i] ?? this.nullDigest) &&
        voteHolds(frame.of, { type: 'pre-prepare', ...vote })
      );
    });
    return isRight ? null : 'a slot with another batch';
  }

  /** Judged once: the same VIEW-CHANGE comes in many NEW-VIEWs. */
  private holds(message: ViewChange): boolean {
    const frame = this.frameOf(message.epoch);
    if (frame === null) return false;
    const name = toHex(nodeSha256(viewChangeBody(message))) + toHex(message.signature);
    const known = this.judged.get(name) ?? viewChangeIsValid(frame, message);
    this.judged.set(name, known);
    return known;
  }

  private frameOf(epoch: number): EpochFrame | null {
    const known = this.chain.epochs[epoch];
    if (known === undefined) return null;
    const { members, parameters } = known.constitution;
    const { checkpointInterval, logWindow } = parameters;
    return {
      of: { env: this.env, members },
      ...{ epoch, base: known.base, checkpointInterval, logWindow },
    };
  }
}
