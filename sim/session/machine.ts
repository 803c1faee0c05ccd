import type { NodeId } from '#lib/kernel/ids.ts';
import type { OwnerMessage } from '#lib/shard/wire/session-messages.ts';
import type { RunSegment, StageInput } from '#lib/shard/stage/types.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { StageCore } from '#sim/core.ts';
import type { FakeEngine } from './fake-engine.ts';
import type { Lie } from './scenario.ts';

/** What the rest of the world sees of a node (`node.ts`), and does to it. */
export interface Machine {
  readonly id: NodeId;
  readonly state: 'up' | 'gone';
  incarnation: number;
  /** Grows with every life: what an earlier life planned does not happen. */
  readonly life: number;
  readonly core: StageCore;
  readonly engines: ReadonlyMap<string, FakeEngine>;
  /** Ranges in memory or in the cache: for the planner. */
  range: LayerRange | null;
  /** What its engine computes just now. */
  readonly segments: readonly RunSegment[];
  slowness: number;
  /** Its worker stands still. */
  readonly hung: boolean;
  /** What its frames hold is refused by honest peers. */
  readonly poisons: boolean;
  /** When it last was, or will be, at work again. */
  readonly stuckUntil: number;
  join(): void;
  die(noticeMs: number): void;
  stop(kind: 'frozen' | 'hung' | 'busy', ms: number): void;
  becomeZombie(wakesAfterMs: number): void;
  turnLiar(lie: Lie): boolean;
  spoilRun(how: 'engine' | 'no-room'): boolean;
  loseShard(): boolean;
  onDeclared(): void;
  onSocket(message: OwnerMessage): void;
  onMain(act: () => void): void;
  feed(input: StageInput): void;
}

/** A message at a node's end: who sends or gets it, and for frames who is at the other end. */
export interface Meeting {
  readonly node: Machine;
  readonly peer?: NodeId;
}
