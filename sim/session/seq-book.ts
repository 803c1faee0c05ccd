import type { Frame } from '#lib/shard/wire/frame.ts';
import type { StageInput, StageOutput } from '#lib/shard/stage/types.ts';
import { SimFailure } from './failure.ts';
import { short, type Ground } from './ground.ts';
import type { Machine } from './machine.ts';

type Numbered = Exclude<Frame, { type: 'chunk-ack' }>;

/** Counts what each place of each epoch was sent: a gap must be called one, at once (S2). */
export class SeqBook {
  private readonly next = new Map<string, number>();
  /** Places that have called a fault in this epoch: one is enough. */
  private readonly faulted = new Set<string>();
  private readonly world: Pick<Ground, 'timeline'>;

  constructor(world: Pick<Ground, 'timeline'>) {
    this.world = world;
  }

  /** The frames that the node is about to look at: new ones, or those that waited for `prepare`. */
  seen(node: Machine, input: StageInput): readonly Frame[] {
    if (input.type === 'frames') return input.frames;
    if (input.type !== 'message' || input.message.type !== 'prepare') return [];
    const { session, epoch } = input.message;
    const known = node.core.sessions.get(session)?.prepare.epoch ?? 0;
    const fenced = node.core.fences.get(session)?.epoch ?? 0;
    if (epoch <= known || epoch <= fenced) return [];
    const { now } = this.world.timeline;
    const waiting = node.core.held.filter(({ until }) => until > now);
    return waiting.map(({ frame }) => frame).filter((frame) => frame.session === session);
  }

  /** After the node has looked at them. */
  check(node: Machine, frames: readonly Frame[], outputs: readonly StageOutput[]): void {
    const faults = outputs.flatMap((output) =>
      output.type === 'owner' && output.message.type === 'fault' ? output.message : [],
    );
    const called = new Set(
      faults.filter(({ why }) => why === 'seq-gap').map((fault) => keyOf(node, fault)),
    );
    const gaps = new Set<string>();
    for (const frame of frames) {
      if (frame.type === 'chunk-ack' || !isOfPresentEpoch(node, frame)) continue;
      const key = keyOf(node, frame);
      const next = this.next.get(key) ?? 0;
      if (frame.seq === next) this.next.set(key, next + 1);
      if (frame.seq > next) gaps.add(key);
      if (frame.seq > next && !this.faulted.has(key) && !called.has(key))
        throw new SimFailure('order', `${short(node.id)} does not call ${frame.seq} a gap`);
    }
    for (const key of called)
      if (!gaps.has(key))
        throw new SimFailure('order', `${short(node.id)} calls a gap that is none`);
    for (const fault of faults) {
      const key = keyOf(node, fault);
      // A frame that waited in vain is of no seat yet.
      if (fault.why.startsWith('held')) continue;
      if (this.faulted.has(key))
        throw new SimFailure('twice', `${short(node.id)} calls ${fault.why} after a fault`);
      this.faulted.add(key);
    }
  }
}

/** Taken by a session that is open, in its epoch, and has its pages. */
function isOfPresentEpoch(node: Machine, frame: Numbered): boolean {
  const session = node.core.sessions.get(frame.session);
  return session?.prepare.epoch === frame.epoch && session.room === 'kept';
}

const keyOf = (
  node: Machine,
  { session, epoch, place }: { session: string; epoch: number; place: number },
): string => `${node.id}/${node.life}/${session}/${epoch}/${place}`;
