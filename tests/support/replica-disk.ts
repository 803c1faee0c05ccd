import { concatBytes } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { ZERO_HASH } from '#lib/ledger/crypto/sha256.ts';
import type { Effect, Image, LogHead, StoredState } from '#lib/ledger/pbft/types.ts';
import { counterApp } from './counter-app.ts';

type Written = Extract<Effect, { type: 'persist' | 'stable' }>;

/** A disk that forgets what was not synced, and prunes as the core allows. */
export class ReplicaDisk {
  private records: { readonly id: number; readonly bytes: Uint8Array }[] = [];
  private pruned = { count: 0, chainHash: ZERO_HASH };
  private head: LogHead = { count: 0, chainHash: ZERO_HASH, epoch: 0, view: 0 };
  private state: StoredState | null = null;
  private waiting: Written[] = [];

  write(effect: Written): void {
    this.waiting.push(effect);
  }

  get unsynced(): number {
    return this.waiting.length;
  }

  /** @returns the id that is `stored` now; 0: nothing new. */
  sync(): number {
    let last = 0;
    for (const effect of this.waiting.splice(0)) {
      if (effect.type === 'persist') {
        this.records.push({ id: effect.id, bytes: effect.record });
        const { chainHash, epoch, view } = this.head;
        this.head = {
          count: effect.id,
          chainHash: nodeSha256(concatBytes([chainHash, effect.record])),
          epoch: Math.max(epoch, effect.epoch),
          view: effect.epoch > epoch ? effect.view : Math.max(view, effect.view),
        };
        last = effect.id;
      } else {
        const { app, ...rest } = effect.state;
        this.state = { ...rest, snapshot: counterApp.snapshot(app) };
        this.prune(effect.recordId);
      }
    }
    return last;
  }

  private prune(recordId: number): void {
    while (this.records[0] !== undefined && this.records[0].id < recordId) {
      const { id, bytes } = this.records.shift()!;
      this.pruned = {
        count: id,
        chainHash: nodeSha256(concatBytes([this.pruned.chainHash, bytes])),
      };
    }
  }

  crash(): void {
    this.waiting = [];
  }

  image(change: Partial<Image> = {}): Image {
    const { state, pruned, head } = this;
    return { state, pruned, head, records: this.records.map(({ bytes }) => bytes), ...change };
  }

  /** Loses its last records, its head not: later images show it. */
  loseLast(count: number): void {
    this.records.splice(-count);
  }
}
