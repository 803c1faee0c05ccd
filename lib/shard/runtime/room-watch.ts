import type { LayerRange } from '#lib/webgpu/model.ts';
import { NODE } from './limits.ts';

export interface RoomWatchDoors {
  /** Whether what is missing of a range would find room now. */
  readonly hasRoom: (range: LayerRange) => Promise<boolean>;
  readonly onRoom: () => void;
}

/**
 * After a chunk found no room: is there room now for what was missing? Browsers and disks give no
 * event for it, so the store is asked now and then, and only while something is missing. A store
 * that says yes and refuses again (a quota it does not show) is asked later each time.
 */
export class RoomWatch {
  readonly #doors: RoomWatchDoors;
  /** Null while nothing is missing. */
  #range: LayerRange | null = null;
  #askAt = 0;
  #waitMs: number = NODE.roomCheckMs;

  constructor(doors: RoomWatchDoors) {
    this.#doors = doors;
  }

  begin(range: LayerRange, now: number): void {
    this.#range = range;
    this.#askAt = now + this.#waitMs;
  }

  end(): void {
    this.#range = null;
  }

  async tick(now: number): Promise<void> {
    const range = this.#range;
    if (range === null || now < this.#askAt) return;
    this.#askAt = Infinity;
    // A worker that died meanwhile says nothing: whoever makes a new one fetches anew.
    const hasRoom = await this.#doors.hasRoom(range).catch(() => false);
    if (this.#range !== range) return;
    if (hasRoom) this.#waitMs = Math.min(this.#waitMs * 2, NODE.roomCheckMsMax);
    this.#askAt = now + this.#waitMs;
    if (hasRoom) this.#doors.onRoom();
  }
}
