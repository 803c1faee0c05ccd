import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { GpuDevice } from '#lib/webgpu/gpu/device.ts';

class OutOfMemory {
  readonly message = 'no room';
}

/** As much of a GPUDevice as is listened to. */
class FakeDevice extends EventTarget {
  readonly features = new Set<string>();
  end: (info: { reason: string; message: string }) => void = () => undefined;
  readonly lost = new Promise((resolve) => (this.end = resolve));
  readonly destroy = vi.fn(() => {
    this.end({ reason: 'destroyed', message: '' });
  });

  fail(error: object): void {
    this.dispatchEvent(Object.assign(new Event('uncapturederror'), { error }));
  }
}

let made: FakeDevice;
beforeEach(() => {
  made = new FakeDevice();
  const adapter = {
    ...{ info: { vendor: 'fake', architecture: '' }, features: new Set(), limits: {} },
    requestDevice: () => Promise.resolve(made),
  };
  vi.stubGlobal('navigator', { gpu: { requestAdapter: () => Promise.resolve(adapter) } });
  vi.stubGlobal('GPUOutOfMemoryError', OutOfMemory);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const codeOf = (work: () => void): unknown => {
  try {
    work();
    return null;
  } catch (error) {
    return (error as { code: unknown }).code;
  }
};

it('[D5] an error that nobody looked out for ends the device, with its reason', async () => {
  const gpu = await GpuDevice.open();
  expect(codeOf(() => gpu.check())).toBe(null);
  made.fail({ message: 'a shader is no WGSL' });
  expect(made.destroy).toHaveBeenCalledTimes(1);
  expect(codeOf(() => gpu.check())).toBe('engine/lost');
  await gpu.lost;
  expect(gpu.lostReason).toBe('a shader is no WGSL');
});

it('[D5] where memory was the reason, it is told', async () => {
  const gpu = await GpuDevice.open();
  made.fail(new OutOfMemory());
  expect(codeOf(() => gpu.check())).toBe('engine/out-of-memory');
});
