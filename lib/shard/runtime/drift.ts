import type { EngineChoice } from '#lib/webgpu/capability/choose-engine.ts';
import type { LayerRange, ModelShape } from '#lib/webgpu/model.ts';
import { stepMs } from '#lib/shard/placement/core.ts';
import type { HostSnapshot } from '#lib/shard/stage/host-protocol.ts';
import { NODE } from './limits.ts';

/** What a node at work is held against. */
export interface DriftFacts {
  readonly view: Pick<HostSnapshot, 'steps' | 'stepMsP50' | 'stepRows'>;
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly measured: EngineChoice;
}

/** Live decode steps as a share of what was measured for them; null where none can be compared. */
export function driftOf({ view, shape, range, measured }: DriftFacts): number | null {
  const { stepMsP50, stepRows } = view;
  if (stepMsP50 === 0 || stepRows === 0) return null;
  const { layerMs, headMs } = measured;
  const speed = { layerMs, headMs, slowdown: 1 };
  return stepMsP50 / stepMs(shape, speed, { range, rows: stepRows });
}

/**
 * Whether a device is another than the one that was measured: its steps are off by more than
 * `driftMax` for `driftMs` of work. Other tabs' work and a hot day pass; a new driver does not.
 */
export class DriftWatch {
  #steps = 0;
  #offMs = 0;
  #at = 0;

  /** True once: the measurement is no longer this device's. */
  tick(facts: DriftFacts | null, nowMs: number): boolean {
    const passedMs = nowMs - this.#at;
    this.#at = nowMs;
    const worked = facts !== null && facts.view.steps > this.#steps;
    this.#steps = facts?.view.steps ?? 0;
    if (!worked) return false;
    const drift = driftOf(facts);
    const isOff = drift !== null && Math.max(drift, 1 / drift) > 1 + NODE.driftMax;
    const before = this.#offMs;
    this.#offMs = isOff ? before + passedMs : 0;
    return before < NODE.driftMs && this.#offMs >= NODE.driftMs;
  }
}
