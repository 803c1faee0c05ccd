import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { quorumOf, weakQuorumOf } from '#lib/ledger/pbft/quorum.ts';
import type { ReplicaState } from '#lib/ledger/pbft/replica.ts';
import { expected } from './failure.ts';
import type { Node } from './node.ts';

/** T doubles at most so often. */
const DOUBLINGS_MAX = 6;
/** Instants are sums of floats. */
const EPSILON_MS = 1e-6;

/** What one machine has lived through in its epoch. */
interface Watch {
  epoch: number;
  /** Since when it is in its view; or since when it knows q that have left for its view or beyond. */
  since: number | null;
  /** Views left in a row without a block. */
  vain: number;
  /** By replica, the highest view of a VIEW-CHANGE that came. */
  readonly heard: Map<number, number>;
}

/**
 * A correct replica leaves a view when its patience is over, T doubled for each view in vain, and the
 * time of a view that is not begun runs only from q VIEW-CHANGEs on; or it joins f + 1 that have left.
 */
export class Patience {
  private readonly watches = new Map<Node, Watch>();

  private watchOf(node: Node, now: number): Watch {
    const { epoch } = node.state.constitution;
    let watch = this.watches.get(node);
    if (watch?.epoch !== epoch) {
      // The first one began with the machine itself, at 0.
      const since = watch === undefined ? 0 : now;
      watch = { epoch, since, vain: 0, heard: new Map() };
      this.watches.set(node, watch);
    }
    return watch;
  }

  /** It begins anew with what its disk says: nothing is known of the others. */
  restarted(node: Node, now: number): void {
    const watch = this.watchOf(node, now);
    watch.vain = 0;
    watch.heard.clear();
    watch.since = node.state.phase.kind === 'active' ? now : null;
  }

  /** Before the step in which it takes this message. */
  hears(node: Node, message: Message, now: number): void {
    if (message.type !== 'view-change') return;
    const watch = this.watchOf(node, now);
    if (message.epoch !== watch.epoch) return;
    const known = watch.heard.get(message.replica) ?? 0;
    watch.heard.set(message.replica, Math.max(known, message.view));
    this.startClock(node, now);
  }

  /** After a step that led from `before` to the state that the node has now. */
  stepped(node: Node, before: ReplicaState, now: number): void {
    const { state } = node;
    if (state === before) return;
    const isNewEpoch = state.constitution.epoch !== before.constitution.epoch;
    const watch = this.watchOf(node, now);
    if (isNewEpoch) return;
    // In one step a block may come and then the view end; never the other way round.
    if (state.head.sequence > before.head.sequence) watch.vain = 0;
    if (state.view > before.view && state.phase.kind === 'changing') {
      this.left(node, { watch, before, now });
      watch.vain += 1;
      watch.since = null;
      this.startClock(node, now);
    } else if (state.view > before.view || state.phase.kind !== before.phase.kind) {
      watch.since = state.phase.kind === 'active' ? now : null;
    }
  }

  private startClock(node: Node, now: number): void {
    const watch = this.watchOf(node, now);
    const { state } = node;
    if (state.phase.kind !== 'changing' || watch.since !== null) return;
    const others = [...watch.heard].filter(
      ([replica, view]) => replica !== state.self && view >= state.view,
    );
    if (others.length + 1 >= quorumOf(state.constitution.members.length)) watch.since = now;
  }

  private left(
    node: Node,
    of: { readonly watch: Watch; readonly before: ReplicaState; readonly now: number },
  ): void {
    const { watch, before, now } = of;
    const { state } = node;
    const { members, parameters } = before.constitution;
    const beyond = [...watch.heard].filter(
      ([replica, view]) => replica !== state.self && view >= state.view,
    );
    if (beyond.length >= weakQuorumOf(members.length)) return;
    const patience = parameters.timeoutMs * 2 ** Math.min(watch.vain, DOUBLINGS_MAX);
    const waited = watch.since === null ? -1 : now - watch.since;
    expected(waited >= patience - EPSILON_MS, 'patience', () => {
      const since = watch.since === null ? 'before q have left' : `after ${waited} ms`;
      return `${node.operator} leaves view ${before.view} ${since}, its patience is ${patience} ms`;
    });
  }
}
