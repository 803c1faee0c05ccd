import type { NodeId } from '#lib/kernel/ids.ts';
import type { OwnerInput, OwnerOutput } from '#lib/shard/session/types.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import type { FaultWhy, Prepare, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { OwnerState } from '#sim/core.ts';
import { SimFailure, type Check } from './failure.ts';

/** Who an owner may count on, told by the orchestrator and not by the owner. */
export interface Living {
  isLiving(node: NodeId, incarnation: number): boolean;
}

interface Step {
  readonly before: OwnerState;
  readonly input: OwnerInput;
  readonly outputs: readonly OwnerOutput[];
  readonly now: number;
}

type Context = Pick<Step, 'now'> & { readonly before: OwnerState | null };

/** Twice, and twice again where the other side was doubted meanwhile. */
const REFUSALS_MAX = 4;
/** Links that lose frames make some; a session goes elsewhere only for many in a row. */
const FAULTS_MIN = 8;

const addOne = (counts: Map<NodeId, number>, node: NodeId): void => {
  counts.set(node, (counts.get(node) ?? 0) + 1);
};

/** Holds one owner to the rules that its messages show, whatever its tokens are. */
export class Auditor {
  /** Orders of the present epoch, by kind and node. */
  private orders = new Set<string>();
  /** Nodes that were ordered to prepare and not released since. */
  private readonly told = new Map<NodeId, number>();
  /** All nodes of all epochs but those that were lost. */
  private readonly ever = new Map<NodeId, number>();
  /** When the present epoch began, and how many in a row before it were overdue (V1). */
  private beganAt = 0;
  private overdue = 0;
  /** Where each place starts in the present fill, or how far it has got since. */
  private reached: number[] = [];
  /** Whose engine or load failed last, with no progress since. */
  private broken = new Set<NodeId>();
  /** Faults of each node since the last token; refusals of the whole session, by both sides. */
  private readonly faults = new Map<NodeId, number>();
  private readonly refused = new Map<NodeId, number>();
  private readonly accused = new Map<NodeId, number>();
  private readonly accusers = new Map<NodeId, Set<NodeId>>();
  /** Who said `no-room` in the present epoch. */
  private short = new Set<NodeId>();
  /** Declared by this owner: the orchestrator fences them a moment later. */
  private readonly declared = new Set<string>();
  private ended = false;
  private readonly living: Living;
  private readonly name: string;

  constructor(name: string, living: Living) {
    this.name = name;
    this.living = living;
  }

  /** Owners are told that it is lost, and it frees what it had (V2). */
  lost(node: NodeId): void {
    this.told.delete(node);
    this.ever.delete(node);
  }

  opened(outputs: readonly OwnerOutput[], now: number): void {
    this.onOutputs(outputs, { before: null, now });
  }

  after(step: Step): void {
    const { before, input, outputs } = step;
    if (input.type === 'message') this.onWord(step, input);
    for (const output of outputs) {
      if (output.type === 'accept') {
        this.onAccept(step);
        this.faults.clear();
      }
      if (output.type === 'declare') this.declared.add(`${output.node}/${output.incarnation}`);
    }
    this.onKeep(before, outputs);
    if (this.isProgress(step)) {
      this.overdue = 0;
      this.broken.clear();
    }
    if (input.type === 'tick' && outputs.some(endsEpoch)) this.onOverdue(step);
    this.checkFill(step);
    this.onOutputs(outputs, step);
  }

  /** A token, or a place whose KV is longer than it ever said in this epoch's fill. */
  private isProgress({ before, input, outputs }: Step): boolean {
    if (outputs.some((output) => output.type === 'accept')) return true;
    if (input.type !== 'message' || input.message.type !== 'report') return false;
    const { epoch, place, kvLength } = input.message;
    const most = this.reached[place];
    if (before.route?.epoch !== epoch || most === undefined || kvLength <= most) return false;
    this.reached[place] = kvLength;
    return true;
  }

  /** An ended incarnation has no say (V3); a token of this epoch is answered (S7). */
  private onWord(
    { before, outputs }: Step,
    { node, incarnation, message }: Extract<OwnerInput, { type: 'message' }>,
  ): void {
    if (before.phase.kind === 'done') return;
    const isLiving = this.living.isLiving(node, incarnation);
    const isOld = message.type !== 'resync' && message.epoch < (before.route?.epoch ?? 0);
    if ((!isLiving || isOld) && outputs.some(changesSomething)) {
      const of = isLiving ? 'an older epoch' : 'an ended incarnation';
      this.fail('fence', `acts on ${message.type} of ${of}`);
    }
    if (message.type === 'fault') {
      this.onFault(node, message.why, outputs);
      if (outputs.length > 0) this.onComplaint(before, node, message);
    }
    const isHeld = isLiving && this.told.get(node) === incarnation;
    if (isHeld && isOfLastPlace(before, node, message) && !outputs.some(isAnswer))
      this.fail('order', `does not answer token #${message.index}`);
  }

  /** One failure of a node's own may be chance, and what others say of it proves nothing (V3). */
  private onFault(node: NodeId, why: FaultWhy, outputs: readonly OwnerOutput[]): void {
    if (why === 'no-room') this.short.add(node);
    if (why === 'no-room' && outputs.some(({ type }) => type === 'route-changed'))
      this.fail('order', 'does not wait for room');
    const isOwn = why === 'engine' || why === 'load';
    const isSecond = isOwn && this.broken.has(node);
    if (outputs.some((output) => output.type === 'declare') && !isSecond)
      this.fail('blame', `declares for one ${why}`);
    if (isOwn && outputs.length > 0) this.broken.add(node);
  }

  /** Who refuses what it is sent, again and again, is not taken again and again (V3). */
  private onComplaint(
    { route }: OwnerState,
    node: NodeId,
    { why, place }: Extract<StageMessage, { type: 'fault' }>,
  ): void {
    if (why === 'no-room') return;
    addOne(this.faults, node);
    if (why !== 'not-finite' && why !== 'unfit') return;
    addOne(this.refused, node);
    const sender = route?.places.at(place - 1)?.node;
    if (sender !== undefined) {
      addOne(this.accused, sender);
      if (sender !== node) this.accusers.set(sender, new Set(this.accusers.get(sender)).add(node));
    }
    if ((this.refused.get(node) ?? 0) > REFUSALS_MAX) this.fail('order', 'takes a refuser again');
  }

  /** Twice refused or refusing, or many faults with no token between. */
  private mayPutOff(node: NodeId): boolean {
    const refusals = Math.max(this.refused.get(node) ?? 0, this.accused.get(node) ?? 0);
    return refusals >= 2 || (this.faults.get(node) ?? 0) >= FAULTS_MIN;
  }

  /** Tokens come from the last place of the present epoch and from nowhere else (S1). */
  private onAccept({ before, input }: Step): void {
    if (input.type === 'message' && isOfLastPlace(before, input.node, input.message)) return;
    this.fail('fence', 'accepts a token that is not of the last place of its epoch');
  }

  /** A new route is asked for with every living holder at its range (S6). */
  private onKeep(before: OwnerState, outputs: readonly OwnerOutput[]): void {
    const ask = outputs.find((output) => output.type === 'need-route');
    if (!ask) return;
    for (const { node, incarnation, range } of before.route?.places ?? []) {
      if (!this.isCounted(node, incarnation) || this.short.has(node)) continue;
      if (this.told.get(node) !== incarnation) continue;
      const byRelay = ask.relay.some((pair) => pair.includes(node));
      if (ask.without.includes(node) && (byRelay || this.mayPutOff(node))) continue;
      const isKept = ask.keep.some(
        (place) =>
          place.node === node &&
          place.range.first === range.first &&
          place.range.last === range.last,
      );
      if (!isKept) this.fail('order', `moves a living stage from ${range.first}-${range.last}`);
    }
  }

  private onOutputs(outputs: readonly OwnerOutput[], context: Context): void {
    for (const output of outputs) {
      if (output.type === 'route-changed') this.onEpoch(context.now);
      if (output.type === 'done') this.onDone();
      if (output.type !== 'send') continue;
      this.onOrder(output);
      if (output.message.type === 'fill') this.reached = [...output.message.starts];
      if (output.message.type === 'prepare') this.onPrepare(output.message, context.before);
    }
  }

  private onEpoch(now: number): void {
    if (this.ended) this.fail('order', 'makes an epoch after the end');
    this.orders = new Set();
    this.reached = [];
    this.short = new Set();
    this.beganAt = now;
  }

  /** Who is short gets its rows from what the place before it has kept, or computes again (S5). */
  private checkFill({ before: { route }, input, outputs }: Step): void {
    const fill = outputs.flatMap(fillOf)[0];
    if (!fill || fill.epoch !== route?.epoch) return;
    const told = input.type === 'message' && input.message.type === 'report' ? input.message : null;
    for (const [place, start] of fill.starts.entries()) {
      const upstream = told?.place === place - 1 ? told : route.reports[place - 1];
      if (start >= route.resumeAt || !upstream || upstream.keptFrom <= start) continue;
      if ((fill.starts[place - 1] ?? 0) > start)
        this.fail('order', `fills place ${place} from ${start} with rows that are gone`);
    }
  }

  /** Each epoch that ended overdue doubles the patience with the next one (V1). */
  private onOverdue({ now, outputs }: Step): void {
    const patienceMs = Math.min(TIMES.lostAnswerMs, TIMES.deadlineMinMs * 2 ** this.overdue);
    // Instants are sums of fractions.
    if (now - this.beganAt < patienceMs - 1) this.fail('order', `waits less than ${patienceMs} ms`);
    const isSilence = outputs.some(
      (output) => output.type === 'declare' && output.why === 'no-prepared',
    );
    if (!isSilence) this.overdue += 1;
  }

  /** Who did not have the range in the epoch before has it since this one (S5). */
  private onPrepare({ epoch, route }: Prepare, before: OwnerState | null): void {
    for (const { node, incarnation, range, since } of route) {
      if ((this.accusers.get(node)?.size ?? 0) > 1) this.fail('order', 'keeps whom two refuse');
      const had = before?.route?.places.some(
        (place) =>
          place.node === node &&
          place.incarnation === incarnation &&
          place.range.first === range.first &&
          place.range.last === range.last,
      );
      if (!had && since !== epoch) this.fail('order', 'gives a new holder an old `since`');
    }
  }

  /** No order is repeated inside an epoch (S4). */
  private onOrder({ node, incarnation, message }: Extract<OwnerOutput, { type: 'send' }>): void {
    if (this.ended && message.type !== 'end') this.fail('order', `${message.type} after the end`);
    if (message.type === 'release') this.told.delete(node);
    if (message.type === 'end') this.ever.delete(node);
    if (message.type === 'prepare') {
      this.told.set(node, incarnation);
      this.ever.set(node, incarnation);
    }
    if (!['prepare', 'fill', 'handover'].includes(message.type)) return;
    const order = `${message.type} ${node}`;
    if (this.orders.has(order)) this.fail('twice', `repeats ${message.type}`);
    this.orders.add(order);
  }

  /** `end` has gone to every living node of every epoch (S10). */
  private onDone(): void {
    this.ended = true;
    for (const [node, incarnation] of this.ever)
      if (this.isCounted(node, incarnation)) this.fail('leftover', 'ends without telling all');
  }

  /** Living, and not declared by this owner a moment ago. */
  private isCounted(node: NodeId, incarnation: number): boolean {
    return this.living.isLiving(node, incarnation) && !this.declared.has(`${node}/${incarnation}`);
  }

  private fail(check: Check, what: string): never {
    throw new SimFailure(check, `owner of ${this.name} ${what}`);
  }
}

/** Not of the last place, or of another epoch: no token at all. */
function isOfLastPlace(
  { route }: OwnerState,
  node: NodeId,
  message: StageMessage,
): message is Extract<StageMessage, { type: 'token' }> {
  if (message.type !== 'token' || message.epoch !== route?.epoch) return false;
  return message.place === route.places.length - 1 && route.places.at(-1)?.node === node;
}

const fillOf = (output: OwnerOutput) =>
  output.type === 'send' && output.message.type === 'fill' ? [output.message] : [];

const endsEpoch = ({ type }: OwnerOutput): boolean =>
  type === 'route-changed' || type === 'need-route' || type === 'declare';

const isAnswer = (output: OwnerOutput): boolean =>
  output.type === 'done' || (output.type === 'send' && output.message.type === 'ack');

/** More than telling the sender where it stands. */
function changesSomething(output: OwnerOutput): boolean {
  if (output.type !== 'send') return true;
  return !['ack', 'release', 'end'].includes(output.message.type);
}
