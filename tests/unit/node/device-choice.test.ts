import { describe, expect, it } from 'vitest';
import { FaultError, type FaultCode } from '#lib/kernel/errors.ts';
import type { EngineWish, GpuFinding } from '#lib/webgpu/capability/choose-engine.ts';
import type { ThreadPlan } from '#lib/webgpu/capability/threads.ts';
import { DeviceChoice } from '#lib/shard/runtime/device-choice.ts';
import { memoryMeasurements } from '#lib/shard/runtime/measurements.ts';
import type { NodePlatform } from '#lib/shard/runtime/platform.ts';
import type { NodeInput } from '#lib/shard/runtime/node-state.ts';

const threads = { threads: 1, reason: 'device.threads_cores' } as const;
const times = { layerMs: [3, 10, 70], headMs: [3, 5, 30] } as const;
const cpu = { ...times, memoryBytes: 2 ** 29, threads };
const plan: ThreadPlan = { most: 1, isAsked: false, reason: 'device.threads_cores' };
const speed = { layerMs: [1, 1, 2], headMs: [1, 1, 2] } as const;
const sound: GpuFinding = {
  ...{ kind: 'sound', engine: 'gpu-webgpu', speed, memoryBytes: 2 ** 30, weightFactor: 1 },
};
const fault = (code: FaultCode) => new FaultError(code, code).toWire();

const atOnce: NodePlatform['alone'] = (work) => work();

/** A device that notes what it is asked; its GPU is found as `found` says. */
function device(found: () => Promise<GpuFinding>, store = memoryMeasurements()) {
  const calls: string[] = [];
  const note = <T>(name: string, result: T): Promise<T> => {
    calls.push(name);
    return Promise.resolve(result);
  };
  type Change = { wish?: EngineWish; browser?: string } & Partial<
    Pick<NodePlatform, 'alone' | 'kind'>
  >;
  const open = (gpu: string | null, change: Change = {}) => {
    const { wish = 'measured', browser = 'B 1', alone = atOnce, kind = 'tab' } = change;
    return new DeviceChoice({
      platform: {
        ...{ kind, device: browser, measurements: store, alone },
        findGpu: () => note('find', gpu),
      },
      measurer: {
        measure: () => note('cpu', cpu),
        measureGpu: (_, asked) => {
          calls.push(`gpu, ${asked}`);
          return found();
        },
        renew: () => note('renew', undefined),
      },
      ...{ wish, threads: plan, memoryLentBytes: 2 ** 29, onBusy: () => void calls.push('busy') },
    });
  };
  return { open, calls, store };
}

describe('the choice of a device', () => {
  it('[N11] is measured once for each GPU, browser and model', async () => {
    const { open, calls } = device(() => Promise.resolve(sound));
    expect(await open('nvidia').choose('m')).toMatchObject({ engine: 'gpu-webgpu', ...speed });
    expect(calls.splice(0)).toEqual(['find', 'busy', 'cpu', 'gpu, measured']);
    expect(await open('nvidia').choose('m')).toMatchObject({ engine: 'gpu-webgpu', ...speed });
    expect(calls.splice(0)).toEqual(['find']);
    await open('amd').choose('m');
    await open('nvidia', { browser: 'B 2' }).choose('m');
    await open('nvidia').choose('n');
    expect(calls.filter((call) => call === 'cpu')).toHaveLength(3);
  });

  it('[N11] tabs that wait for their turn take what the first one measured', async () => {
    let turn: Promise<unknown> = Promise.resolve();
    const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
      const mine = turn.then(work);
      turn = mine;
      return mine;
    };
    const { open, calls } = device(() => Promise.resolve(sound));
    const tabs = [0, 1, 2].map(() => open('nvidia', { alone: inTurn }));
    const choices = await Promise.all(tabs.map((tab) => tab.choose('m')));
    expect(choices.map(({ engine }) => engine)).toEqual(Array(3).fill('gpu-webgpu'));
    expect(calls.filter((call) => call === 'cpu')).toHaveLength(1);
  });

  it('[N11] without a GPU, or where the person wants none, no GPU is asked', async () => {
    const { open, calls } = device(() => Promise.reject(new Error('it was asked')));
    expect(await open(null).choose('m')).toMatchObject({ reason: 'device.no_webgpu' });
    expect(await open('nvidia', { wish: 'cpu' }).choose('m')).toMatchObject({
      ...{ engine: 'cpu-wasm', reason: 'device.cpu_wished' },
    });
    expect(calls.filter((call) => call.startsWith('gpu'))).toEqual([]);
  });

  it('[N11] a tab’s worker that measured is let go with all it took, unless it has the GPU', async () => {
    const { open, calls } = device(() => Promise.resolve(sound));
    await open(null).choose('m');
    expect(calls.splice(0)).toEqual(['find', 'busy', 'cpu', 'renew']);
    await open(null).choose('m');
    expect(calls.splice(0)).toEqual(['find']);
    await open('nvidia').choose('m');
    await open(null, { kind: 'node' }).choose('n');
    expect(calls).not.toContain('renew');
  });

  it('[N11] a worker that tried a GPU in vain is let go with all it took', async () => {
    const { open, calls } = device(() => {
      return Promise.resolve({ kind: 'refused', reason: 'device.gpu_slow' });
    });
    expect(await open('nvidia').choose('m')).toMatchObject({ reason: 'device.gpu_slow' });
    expect(calls.at(-1)).toBe('renew');
  });

  it('[N11] a GPU that took the tab with it, or a tab that was closed, is tried once more', async () => {
    const store = memoryMeasurements();
    for (let i = 0; i < 2; i += 1) {
      let begun = () => {};
      const began = new Promise<void>((resolve) => (begun = resolve));
      const { open } = device(() => {
        begun();
        return new Promise(() => undefined);
      }, store);
      void open('nvidia').choose('m');
      await began;
    }
    const next = device(() => Promise.reject(new Error('it was tried')), store);
    expect(await next.open('nvidia').choose('m')).toMatchObject({ reason: 'device.gpu_failed' });
    expect(next.calls).toEqual(['find']);
  });

  it('[N11] a GPU that could not be measured is not tried again', async () => {
    const store = memoryMeasurements();
    const lost = () => Promise.reject(new FaultError('engine/lost', 'it hung'));
    for (const calls of [2, 0]) {
      const each = device(lost, store);
      expect(await each.open('nvidia').choose('m')).toMatchObject({ reason: 'device.gpu_failed' });
      expect(each.calls.filter((call) => call.startsWith('gpu') || call === 'cpu').length).toBe(
        calls,
      );
    }
  });

  it('[N11] a GPU whose ONNX Runtime could not be fetched is tried again at the next visit', async () => {
    let online = false;
    const { open } = device(() =>
      online ? Promise.resolve(sound) : Promise.reject(new FaultError('package/fetch-failed', '')),
    );
    expect(await open('nvidia').choose('m')).toMatchObject({ engine: 'cpu-wasm' });
    online = true;
    expect(await open('nvidia').choose('m')).toMatchObject({ engine: 'gpu-webgpu' });
  });

  it('[N11] Stop while a GPU is measured says nothing of it, and starts no worker', async () => {
    const store = memoryMeasurements();
    const stopped = device(() => Promise.reject(new FaultError('kernel/aborted', '')), store);
    await expect(stopped.open('nvidia').choose('m')).rejects.toMatchObject({
      code: 'kernel/aborted',
    });
    expect(stopped.calls).not.toContain('renew');
    const next = device(() => Promise.resolve(sound), store);
    expect(await next.open('nvidia').choose('m')).toMatchObject({ engine: 'gpu-webgpu' });
  });

  it('[N9] [N11] a GPU that fails at work is a loss, never the end; the third time the processor takes over', async () => {
    const { open } = device(() => Promise.resolve(sound));
    const choice = open('nvidia');
    const lost: NodeInput = { type: 'worker-lost', fault: fault('engine/lost') };
    const full: NodeInput = { type: 'worker-lost', fault: fault('engine/out-of-memory') };
    const load: NodeInput = { type: 'task-failed', task: 1, fault: fault('engine/lost') };
    const engines: unknown[] = [];
    for (const input of [lost, full, load]) {
      const { engine, memoryBytes } = await choice.choose('m');
      engines.push([engine, memoryBytes]);
      expect(choice.hear(input)).toMatchObject({
        ...{ type: 'worker-lost', fault: { code: 'engine/lost' } },
      });
    }
    const { engine, reason } = await choice.choose('m');
    expect(engines).toEqual([
      ['gpu-webgpu', 2 ** 29],
      ['gpu-webgpu', 2 ** 29],
      ['gpu-webgpu', 2 ** 28],
    ]);
    expect([engine, reason]).toEqual(['cpu-wasm', 'device.gpu_failed']);
    expect(choice.hear(lost)).toBe(lost);
  });

  it('[N11] a download that stood still is not the GPU’s fault', async () => {
    const choice = device(() => Promise.resolve(sound)).open('nvidia');
    const silent: NodeInput = { type: 'worker-lost', fault: fault('kernel/timeout') };
    for (let i = 0; i < 3; i += 1) {
      expect(await choice.choose('m')).toMatchObject({ engine: 'gpu-webgpu' });
      expect(choice.hear(silent)).toBe(silent);
    }
    expect(await choice.choose('m')).toMatchObject({ engine: 'gpu-webgpu' });
  });

  it('[N11] a load that lacks chunks or memory is the load’s fault, not the GPU’s', async () => {
    const choice = device(() => Promise.resolve(sound)).open('nvidia');
    await choice.choose('m');
    for (const code of ['package/fetch-failed', 'engine/out-of-memory'] as const) {
      const input: NodeInput = { type: 'task-failed', task: 1, fault: fault(code) };
      expect(choice.hear(input)).toBe(input);
    }
  });

  it('[N11] what live steps contradict is measured again', async () => {
    const { open, calls } = device(() => Promise.resolve(sound));
    const choice = open('nvidia');
    await choice.choose('m');
    await choice.forget();
    await open('nvidia').choose('m');
    expect(calls.filter((call) => call === 'cpu')).toHaveLength(2);
  });
});
