import type { FaultWire } from '#lib/kernel/errors.ts';
import type { WebRtc } from '#lib/shard/mesh/types.ts';
import type { NodeKeys } from '#lib/shard/mesh/identity.ts';
import type { GpuFinding, MeasuredCpu } from '#lib/webgpu/capability/choose-engine.ts';

/** A worker of the platform: a Web Worker or a worker thread, running `stage/worker-main`. */
export interface WorkerHandle {
  postMessage(message: unknown, transfer: readonly Transferable[]): void;
  /** It crashed, could not start, or ended by itself. */
  onLost(listener: (fault: FaultWire) => void): void;
  /** At once; nothing comes from it any more. */
  terminate(): void;
}

/** What a device can do with one model. */
export interface Measured {
  readonly cpu: MeasuredCpu;
  readonly gpu: GpuFinding;
}

/** What was measured in this browser or on this machine, by model: a visit later it is still true. */
export interface MeasurementStore {
  get(key: string): Promise<Measured | null>;
  put(key: string, measured: Measured): Promise<void>;
  forget(key: string): Promise<void>;
}

/** All that differs between a tab and a Node process, as doors of the node runtime. */
export interface NodePlatform {
  readonly kind: 'tab' | 'node';
  /** For people: `Chromium 156 · 8 cores`. */
  readonly device: string;
  /** Name of the GPU that could be used, null where there is none; measurements are kept by it. */
  readonly findGpu: () => Promise<string | null>;
  /** Bytes lent where the person set nothing. */
  readonly memoryLentBytes: number;
  /** What the number of threads is chosen from, beside the volunteer's wishes. */
  readonly cores: number;
  readonly isolated: boolean;
  readonly measurements: MeasurementStore;
  /** One key pair a tab or process, certified by the profile's identity (M1). */
  readonly keys: () => Promise<NodeKeys>;
  readonly storageBytes: () => Promise<number>;
  readonly startWorker: () => WorkerHandle;
  /** Held while the node contributes (a lock keeps a tab from being frozen); returns the release. */
  readonly holdPresence: () => () => void;
  /** One measurement at a time on this machine, as far as the platform can see it. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
  readonly wrtc?: WebRtc;
  readonly insecure?: boolean;
}
