import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import type { Header } from '#lib/ledger/pbft/messages/header.ts';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import type { ViewChange } from '#lib/ledger/pbft/messages/view-change.ts';
import { quorumOf } from '#lib/ledger/pbft/quorum.ts';
import { decodeRecord } from '#lib/ledger/pbft/records.ts';
import type { Chain } from './chain.ts';
import { expected } from './failure.ts';
import { OUR_LEDGER } from './core.ts';
import { isCorrect, type Node } from './node.ts';
import { placeOf, sayingOf, sayingsOnDisk, type Saying } from './said.ts';

/** All that one vote key has said, over all restarts. */
interface KeyBook {
  readonly said: Map<string, Saying>;
  /** By epoch, the highest view that a VIEW-CHANGE promised. */
  readonly promised: Map<number, number>;
  /** By epoch and sequence, the highest view in which it sent COMMIT. */
  readonly commits: Map<string, number>;
  /** Places of proposals that a NEW-VIEW of it took over. */
  readonly carried: Set<string>;
}

/** What correct keys say, as it leaves them: each thing once, no vote below a promise, none forgotten. */
export class Votes {
  /** How often a faulty key said two things in one place. */
  equivocations = 0;
  private readonly books = new Map<string, KeyBook>();
  /** By epoch and sequence, view and digest: who said COMMIT. */
  private readonly commits = new Map<string, Map<number, Map<string, Set<number>>>>();
  private readonly honest = new Set<string>();
  /** Epochs in which a correct key has left a view. */
  private readonly left = new Set<number>();
  private readonly chain: Chain;

  constructor(chain: Chain) {
    this.chain = chain;
  }

  /**
   * A correct replica executed this: q have said COMMIT to it, in one view. Looked at where it matters,
   * for a batch that is executed too early is the right one all the same while nobody names another, or
   * leaves a view.
   */
  executed(node: Node, { epoch, sequence, batchDigest }: Header): void {
    const views = [...(this.commits.get(`${epoch}/${sequence}`) ?? [])];
    const isContested = this.left.has(epoch) || views.some(([, byDigest]) => byDigest.size > 1);
    if (!isContested) return;
    const q = quorumOf(this.chain.epochs[epoch]?.constitution.members.length ?? 0);
    const digest = toHex(batchDigest);
    const isCommitted = views.some(([view, byDigest]) => {
      const by = byDigest.get(digest) ?? new Set();
      if (by.size >= q) return true;
      const isUnsent = (): boolean => hasUnsent(node, { epoch, view, sequence, digest });
      return by.size === q - 1 && !by.has(node.state.self) && isUnsent();
    });
    expected(isCommitted, 'certificate', () => {
      return `${node.operator} executed #${sequence} without q COMMITs for its batch`;
    });
  }

  private noteCommit({ epoch, view, sequence, replica, what }: Saying): void {
    const name = `${epoch}/${sequence}`;
    const views = this.commits.get(name) ?? new Map<number, Map<string, Set<number>>>();
    const byDigest = views.get(view) ?? new Map<string, Set<number>>();
    byDigest.set(what, (byDigest.get(what) ?? new Set()).add(replica));
    this.commits.set(name, views.set(view, byDigest));
  }

  /** @returns the saying, where this is the first time that it leaves its own key. */
  sent(node: Node, message: Message): Saying | null {
    const saying = sayingOf(message);
    if (saying === null || !this.isOwn(node, saying)) return null;
    if (saying.type === 'commit') this.noteCommit(saying);
    const book = this.bookOf(node);
    const place = placeOf(saying);
    const known = book.said.get(place);
    if (known === undefined) book.said.set(place, saying);
    if (!isCorrect(node)) {
      if (known !== undefined && known.what !== saying.what) this.equivocations += 1;
      return known === undefined ? saying : null;
    }
    this.honest.add(toHex(node.env.signer.publicKey));
    expected(!node.hasLostLog, 'amnesia', () => `${node.operator} ${place} after its log was lost`);
    expected(
      known === undefined || known.what === saying.what,
      'votes',
      () => `${node.operator} said two things: ${place}`,
    );
    this.checkPromise(node, saying, book);
    if (message.type === 'view-change') this.checkTold(node, message, book);
    if (message.type === 'new-view') {
      for (const [i] of message.carried.entries()) {
        const sequence = message.minSequence + 1 + i;
        book.carried.add(placeOf({ ...saying, type: 'pre-prepare', sequence }));
      }
    }
    return known === undefined ? saying : null;
  }

  private isOwn(node: Node, { epoch, replica }: Saying): boolean {
    const member = this.chain.epochs[epoch]?.constitution.members[replica];
    return member !== undefined && bytesEqual(member.voteKey, node.env.signer.publicKey);
  }

  private bookOf(node: Node): KeyBook {
    const name = toHex(node.env.signer.publicKey);
    const book = this.books.get(name) ?? {
      said: new Map(),
      promised: new Map(),
      commits: new Map(),
      carried: new Set(),
    };
    this.books.set(name, book);
    return book;
  }

  private checkPromise(node: Node, saying: Saying, { promised, commits, carried }: KeyBook): void {
    const { type, epoch, view, sequence } = saying;
    const promise = promised.get(epoch) ?? 0;
    if (type === 'view-change') {
      this.left.add(epoch);
      promised.set(epoch, Math.max(promise, view));
      return;
    }
    if (type === 'seal') return;
    const end = this.chain.epochs[epoch + 1]?.base.sequence ?? Infinity;
    const isTaken = type !== 'pre-prepare' || carried.has(placeOf(saying));
    expected(sequence <= end || isTaken, 'promise', () => {
      return `${placeOf(saying)} is proposed, and its epoch ended at #${end}`;
    });
    expected(view >= promise, 'promise', () => {
      return `${node.operator} left the views below ${promise}: ${placeOf(saying)}`;
    });
    if (type !== 'commit') return;
    const name = `${epoch}/${sequence}`;
    commits.set(name, Math.max(commits.get(name) ?? 0, view));
  }

  /** Once an epoch has ended: no correct primary had proposed anything past its end but what it took over. */
  epochEnded(epoch: number, last: number): void {
    for (const [key, { said, carried }] of this.books) {
      if (!this.honest.has(key)) continue;
      for (const [place, saying] of said) {
        const isPast = saying.epoch === epoch && saying.sequence > last;
        if (!isPast || saying.type !== 'pre-prepare' || carried.has(place)) continue;
        expected(false, 'promise', () => `${place} is proposed, and its epoch ends at #${last}`);
      }
    }
  }

  /** A VIEW-CHANGE tells of every slot above its checkpoint in which the key had sent COMMIT. */
  private checkTold(node: Node, message: ViewChange, { commits }: KeyBook): void {
    const { epoch, view, checkpoint, prepared } = message;
    for (const [name, committed] of commits) {
      const [at = 0, sequence = 0] = name.split('/').map(Number);
      if (at !== epoch || sequence <= checkpoint.sequence || committed >= view) continue;
      const told = prepared.find((each) => each.sequence === sequence);
      expected(told !== undefined && told.view >= committed, 'promise', () => {
        const what = `its COMMIT of #${sequence} in view ${committed}`;
        return `${node.operator} leaves out ${what} in the VIEW-CHANGE for ${view}`;
      });
    }
  }

  /** Power fails: what the key said in its newest view is on the disk, and what leads to its checkpoints. */
  crashed(node: Node): void {
    if (!isCorrect(node) || node.hasLostLog) return;
    const { said } = this.bookOf(node);
    checkKept(node, said.values());
    const { places, stable, epoch } = sayingsOnDisk(node.disk.records);
    const current = [...said.values()].filter(
      (saying) => saying.epoch >= epoch && saying.type !== 'seal',
    );
    const newest = (saying: Saying): boolean =>
      !current.some(
        (other) =>
          other.epoch > saying.epoch || (other.epoch === saying.epoch && other.view > saying.view),
      );
    for (const saying of current) {
      if (!newest(saying) || (saying.sequence > 0 && saying.sequence <= stable)) continue;
      const place = placeOf(saying);
      const isTold = places.has(place) || this.isOver(saying, places);
      expected(isTold, 'forgotten', () => `${node.operator} had said ${place}`);
    }
  }

  /** Its promise is kept by the NEW-VIEW that came after it. */
  private isOver(saying: Saying, places: ReadonlySet<string>): boolean {
    return saying.type === 'view-change' && places.has(placeOf({ ...saying, type: 'new-view' }));
  }
}

/** Our own code comes from this disk to every block of which its key said CHECKPOINT. */
function checkKept(node: Node, said: Iterable<Saying>): void {
  const sealed = [...said].filter(({ type }) => type === 'seal').map(({ sequence }) => sequence);
  if (sealed.length === 0) return;
  const env = { ...node.env, met: () => undefined };
  const now = { atMs: instantMs(0), wallMs: 0 };
  const fresh = OUR_LEDGER.createReplica(env, now);
  const event = { type: 'restart' as const, image: node.disk.image() };
  const { head } = OUR_LEDGER.stepReplica(fresh, event, now)[0];
  const last = Math.max(...sealed);
  expected(head.sequence >= last, 'forgotten', () => {
    return `${node.operator} had said CHECKPOINT #${last}, and its disk leads to #${head.sequence}`;
  });
}

/** Its own COMMIT in this view is on its disk, and no crash left time to send it. */
function hasUnsent(
  { disk }: Node,
  of: {
    readonly epoch: number;
    readonly view: number;
    readonly sequence: number;
    readonly digest: string;
  },
): boolean {
  return disk.records.some(({ bytes }) => {
    const record = decodeRecord(bytes);
    if (isFault(record) || record.type !== 'commit') return false;
    const { epoch, view, sequence, digest } = record.certificate;
    const isPlace = epoch === of.epoch && view === of.view && sequence === of.sequence;
    return isPlace && toHex(digest) === of.digest;
  });
}
