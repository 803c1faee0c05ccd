import { afterEach, describe, expect, it } from 'vitest';
import type { FaultCode } from '#lib/kernel/errors.ts';
import {
  NO_FAILURES,
  applyGpuFailure,
  chooseEngine,
  hopelessMs,
  type EngineFacts,
  type GpuFinding,
  type GpuHistory,
} from '#lib/webgpu/capability/choose-engine.ts';
import { wasmMemoryBytes } from '#lib/webgpu/capability/wasm-memory.ts';
import { packedBytes } from '#lib/webgpu/gpu/weights/packed-bytes.ts';
import { packMatrix } from '#lib/webgpu/gpu/weights/pack-matrix.ts';
import { BLOCK, TENSOR_TYPES } from '#lib/webgpu/model.ts';

const speed = { layerMs: [0.3, 1, 7], headMs: [3, 5, 30] } as const;
const cpu = { ...speed, memoryBytes: 2 ** 32 };
const fast = { layerMs: [0.2, 0.3, 1], headMs: [1, 1, 2] } as const;
const sound = (change: Partial<Extract<GpuFinding, { kind: 'sound' }>> = {}): GpuFinding => ({
  ...{
    kind: 'sound',
    engine: 'gpu-webgpu-f16',
    speed: fast,
    memoryBytes: 2 ** 31,
    weightFactor: 1.2,
  },
  ...change,
});
const choose = (change: Partial<EngineFacts>) =>
  chooseEngine({
    ...{ cpu, gpu: sound(), history: NO_FAILURES, wish: 'measured', memoryLentBytes: 2 ** 30 },
    ...change,
  });

const fail = (history: GpuHistory, code: FaultCode, nowMs = 0): GpuHistory =>
  applyGpuFailure(history, { code, nowMs });

describe('the choice of engine', () => {
  it('[P4] is the faster one at a usual answer, with its speed', () => {
    expect(choose({})).toMatchObject({ engine: 'gpu-webgpu-f16', reason: 'device.gpu', ...fast });
    // Quicker in chunks, slower token by token: 128 tokens weigh more than two chunks.
    const chunky = { layerMs: [0.5, 0.6, 0.7], headMs: [1, 1, 1] } as const;
    expect(choose({ gpu: sound({ speed: chunky }) })).toMatchObject({
      ...{ engine: 'cpu-wasm', reason: 'device.gpu_slow', ...speed },
    });
  });

  it('[P4] a GPU that is right in 32 bits only says so', () => {
    expect(choose({ gpu: sound({ engine: 'gpu-webgpu' }) })).toMatchObject({
      ...{ engine: 'gpu-webgpu', reason: 'device.no_f16' },
    });
  });

  it.each(['device.no_webgpu', 'device.shape', 'device.gpu_wrong', 'device.gpu_slow'] as const)(
    '[P4] a GPU that was refused is not used, whatever is wished: %s',
    (reason) => {
      const gpu = { kind: 'refused', reason } as const;
      expect(choose({ gpu })).toMatchObject({ engine: 'cpu-wasm', reason });
      expect(choose({ gpu, wish: 'gpu' })).toMatchObject({ engine: 'cpu-wasm', reason });
    },
  );

  it('[P4] a person may choose the processor, or a GPU that is sound but slow', () => {
    expect(choose({ wish: 'cpu' })).toMatchObject({ reason: 'device.cpu_wished', ...speed });
    const slow = { layerMs: [9, 9, 9], headMs: [1, 1, 1] } as const;
    expect(choose({ wish: 'gpu', gpu: sound({ speed: slow }) })).toMatchObject({
      ...{ engine: 'gpu-webgpu-f16', reason: 'device.gpu_wished', ...slow },
    });
  });

  it('[P4] offers no more memory than there is and weights will leave', () => {
    expect(choose({}).memoryBytes).toBe(2 ** 30);
    expect(choose({ gpu: sound({ memoryBytes: 2 ** 28 }) }).memoryBytes).toBe(2 ** 28);
    const phone = { ...cpu, memoryBytes: 2 ** 27 };
    expect(choose({ cpu: phone, wish: 'cpu' }).memoryBytes).toBe(2 ** 27);
    expect(choose({ wish: 'cpu' }).memoryBytes).toBe(2 ** 30);
    expect(choose({ gpu: sound({ weightFactor: 2.5 }) }).memoryBytes).toBe(2 ** 29);
  });

  it('[P4] a GPU that failed is tried with what it had, less where that was too much, three times', () => {
    const lost = fail(NO_FAILURES, 'engine/lost');
    expect(choose({ history: lost })).toMatchObject({
      ...{ engine: 'gpu-webgpu-f16', memoryBytes: 2 ** 30 },
    });
    const full = fail(lost, 'engine/out-of-memory');
    expect(choose({ history: full })).toMatchObject({
      ...{ engine: 'gpu-webgpu-f16', memoryBytes: 2 ** 29 },
    });
    const history = fail(full, 'engine/lost');
    const failed = { engine: 'cpu-wasm', reason: 'device.gpu_failed', ...speed };
    expect(choose({ history })).toMatchObject(failed);
    expect(choose({ history, wish: 'gpu' })).toMatchObject(failed);
    const nextDay = fail(full, 'engine/lost', 86_400_000);
    expect(choose({ history: nextDay })).toMatchObject({ engine: 'gpu-webgpu-f16' });
  });

  it.each(['engine/unsupported', 'engine/wrong-answer'] as const)(
    '[P4] a GPU is not asked again after %s',
    (code) => {
      const history = fail(NO_FAILURES, code);
      expect(choose({ history })).toMatchObject({ engine: 'cpu-wasm' });
    },
  );

  it('[P4] a GPU is given up early only where it is far behind and slow', () => {
    expect(hopelessMs(cpu, 'measured')).toBe(100);
    expect(hopelessMs({ ...cpu, layerMs: [60, 200, 900] }, 'measured')).toBe(240);
    expect(hopelessMs(cpu, 'gpu')).toBe(Infinity);
  });
});

it.each(TENSOR_TYPES)('[P4] packed bytes are known before anything is packed: %s', (type) => {
  const [rows, cols] = [8, 64];
  const { values, bytes } = BLOCK[type];
  const stored = { type, rows, cols, bytes: new Uint8Array((rows * cols * bytes) / values) };
  const packed = packMatrix(stored);
  const parts =
    packed.kind === 'floats' ? [packed.values] : [packed.codes, packed.scales, packed.offsets];
  const total = parts.reduce((sum, part) => sum + (part?.byteLength ?? 0), 0);
  expect(packedBytes(type, rows * cols, 'float32')).toBe(total);
  // Codes are whole numbers; all else takes half.
  const codes = packed.kind === 'floats' ? 0 : packed.codes.byteLength;
  expect(packedBytes(type, rows * cols, 'float16')).toBe(codes + (total - codes) / 2);
});

describe('memory of a processor', () => {
  const { Memory } = WebAssembly;
  afterEach(() => {
    WebAssembly.Memory = Memory;
  });

  it('[P4] is what one WebAssembly memory can be made of', () => {
    expect(wasmMemoryBytes(2 ** 30)).toBe(2 ** 30);
    const most = 2 ** 28;
    WebAssembly.Memory = class extends Memory {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        if (descriptor.initial * 65_536 > most) throw new RangeError('no room');
        super(descriptor);
      }
    };
    expect(wasmMemoryBytes(2 ** 30)).toBe(most);
    expect(wasmMemoryBytes(2 ** 20)).toBe(2 ** 20);
  });
});
