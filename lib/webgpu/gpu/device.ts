import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { nameOf, requestAdapter } from './find-gpu.ts';
import { GPU_LIMITS } from './limits.ts';

/** Wanted where the adapter has them. */
const FEATURES: readonly GPUFeatureName[] = ['shader-f16', 'timestamp-query'];

/** A GPU that is ours, with all the adapter can do, and the memory of whether it is still there. */
export class GpuDevice {
  readonly device: GPUDevice;
  /** Of the adapter, for people and for caches of measurements. */
  readonly adapterName: string;
  /** Why the device went, null while it is there. */
  lostReason: string | null = null;
  #outOfMemory = false;
  /** Resolves when the device goes, by a crash, the browser or `destroy`. */
  readonly lost: Promise<void>;

  private constructor(device: GPUDevice, adapterName: string) {
    this.device = device;
    this.adapterName = adapterName;
    this.lost = device.lost.then(({ reason, message }) => {
      this.lostReason ??= `${reason}: ${message}`;
    });
    device.addEventListener('uncapturederror', ({ error }) => this.#fail(error));
  }

  /** @throws FaultError `engine/unsupported` where the browser has no GPU for us. */
  static async open(): Promise<GpuDevice> {
    try {
      const adapter = await requestAdapter();
      if (!adapter) throw new FaultError('engine/unsupported', 'this browser lends us no GPU');
      const device = await adapter.requestDevice({
        requiredLimits: limitsOf(adapter),
        requiredFeatures: featuresOf(adapter),
      });
      return new GpuDevice(device, nameOf(adapter));
    } catch (cause) {
      if (cause instanceof FaultError) throw cause;
      throw new FaultError('engine/unsupported', 'the GPU gives us no device', { cause });
    }
  }

  /** @throws FaultError `engine/lost` once the device is gone; `engine/out-of-memory` where that was why. */
  check(): void {
    if (this.lostReason === null) return;
    const code = this.#outOfMemory ? 'engine/out-of-memory' : 'engine/lost';
    throw new FaultError(code, `the GPU is gone (${this.lostReason})`);
  }

  /**
   * What nobody looked out for: a shader that is not compiled, a work buffer without room. Who
   * called for it may go on with whatever lies in its buffers: nothing the device says is to be trusted.
   */
  #fail(error: GPUError): void {
    this.#outOfMemory = error instanceof GPUOutOfMemoryError;
    this.lostReason ??= error.message;
    this.device.destroy();
  }

  /**
   * What `work` gives.
   * @throws FaultError `engine/out-of-memory` where the GPU had no room for a buffer it made, whatever
   *   `work` made of that; `engine/lost`; else what `work` throws.
   */
  async withinMemory<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    this.device.pushErrorScope('out-of-memory');
    const [outcome] = await Promise.allSettled([(async () => work())()]);
    const error = await this.device.popErrorScope();
    // Work that went on without its buffer may have failed the device by now: memory was the reason.
    if (error) throw new FaultError('engine/out-of-memory', `GPU: ${error.message}`);
    this.check();
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  /**
   * Bytes that buffers can really be made of, up to `mostBytes`: all of them at once, for a moment.
   * Browsers tell limits of one buffer and nothing of what there is.
   */
  async allocatableBytes(mostBytes: number): Promise<number> {
    const size = Math.min(GPU_LIMITS.probeBytes, this.device.limits.maxBufferSize);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const buffers: GPUBuffer[] = [];
    try {
      while (buffers.length * size < mostBytes) {
        await this.withinMemory(() => void buffers.push(this.device.createBuffer({ size, usage })));
      }
      return mostBytes;
    } catch (error) {
      if (!isFault(error, 'engine/out-of-memory')) throw error;
      return (buffers.length - 1) * size;
    } finally {
      for (const buffer of buffers) buffer.destroy();
    }
  }

  dispose(): void {
    this.device.destroy();
  }
}

function featuresOf({ features, info }: GPUAdapter): GPUFeatureName[] {
  const wanted = FEATURES.filter((name) => features.has(name));
  const wide = (info.subgroupMinSize ?? 0) >= GPU_LIMITS.subgroupSizeMin;
  return wide && features.has('subgroups') ? [...wanted, 'subgroups'] : wanted;
}

/** Every limit as high as the adapter allows: the defaults are for the smallest of GPUs. */
function limitsOf({ limits }: GPUAdapter): Record<string, number> {
  const raised: Record<string, number> = {};
  // Limits are getters of the prototype: `Object.entries` sees none.
  for (const name in limits) {
    const value: unknown = limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') raised[name] = value;
  }
  return raised;
}
