import type { NodeId } from '#lib/kernel/ids.ts';
import type { OwnerInput, OwnerOutput } from '#lib/shard/session/types.ts';
import type { OwnerMessage, StageMessage } from '#lib/shard/wire/session-messages.ts';
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
}

/** Holds one owner to the rules that its messages show, whatever its tokens are. */
export class Auditor {
  /** Orders of the present epoch, by kind and node. */
  private orders = new Set<string>();
  /** Nodes that were ordered to prepare and not released since. */
  private readonly told = new Map<NodeId, number>();
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

  /** The orchestrator took the node's places back itself (V2). */
  released(node: NodeId): void {
    this.told.delete(node);
  }

  opened(outputs: readonly OwnerOutput[]): void {
    this.onOutputs(outputs);
  }

  after(step: Step): void {
    const { before, input, outputs } = step;
    if (input.type === 'message') this.onWord(step, input);
    for (const output of outputs) {
      if (output.type === 'accept') this.onAccept(step);
      if (output.type === 'declare') this.declared.add(`${output.node}/${output.incarnation}`);
    }
    this.onKeep(before, outputs);
    this.onOutputs(outputs);
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
    if (message.type === 'fault' && message.why === 'no-room') this.short.add(node);
    const isHeld = isLiving && this.told.get(node) === incarnation;
    if (isHeld && isOfLastPlace(before, node, message) && !outputs.some(isAnswer))
      this.fail('order', `does not answer token #${message.index}`);
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
      if (!this.living.isLiving(node, incarnation) || this.short.has(node)) continue;
      if (this.declared.has(`${node}/${incarnation}`)) continue;
      if (this.told.get(node) !== incarnation) continue;
      const isKept = ask.keep.some(
        (place) =>
          place.node === node &&
          place.range.first === range.first &&
          place.range.last === range.last,
      );
      if (!isKept) this.fail('order', `moves a living stage from ${range.first}-${range.last}`);
    }
  }

  private onOutputs(outputs: readonly OwnerOutput[]): void {
    for (const output of outputs) {
      if (output.type === 'route-changed') {
        if (this.ended) this.fail('order', 'makes an epoch after the end');
        this.orders = new Set();
        this.short = new Set();
      }
      if (output.type === 'send') this.onOrder(output.node, output.incarnation, output.message);
      if (output.type === 'done') this.onDone();
    }
  }

  /** No order is repeated inside an epoch (S4). */
  private onOrder(node: NodeId, incarnation: number, message: OwnerMessage): void {
    if (this.ended && message.type !== 'end') this.fail('order', `${message.type} after the end`);
    if (message.type === 'release' || message.type === 'end') this.told.delete(node);
    if (message.type === 'prepare') this.told.set(node, incarnation);
    if (!['prepare', 'fill', 'handover'].includes(message.type)) return;
    const order = `${message.type} ${node}`;
    if (this.orders.has(order)) this.fail('twice', `repeats ${message.type}`);
    this.orders.add(order);
  }

  /** `end` has gone to every living node of every epoch (S10). */
  private onDone(): void {
    this.ended = true;
    for (const [node, incarnation] of this.told)
      if (this.living.isLiving(node, incarnation))
        this.fail('leftover', 'ends without telling all');
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

const isAnswer = (output: OwnerOutput): boolean =>
  output.type === 'done' || (output.type === 'send' && output.message.type === 'ack');

/** More than telling the sender where it stands. */
function changesSomething(output: OwnerOutput): boolean {
  if (output.type !== 'send') return true;
  return !['ack', 'release', 'end'].includes(output.message.type);
}
