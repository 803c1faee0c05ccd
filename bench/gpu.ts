import { fileURLToPath } from 'node:url';
import { FaultError } from '#lib/kernel/errors.ts';
import { isRealGpu } from '#tests/support/gpu-tab/real-gpu.ts';
import { launchBrowserOnGpu } from '#tests/support/browser.ts';
import type { GpuReply } from './gpu/worker.ts';
import { atLeast, machine, type BenchResult } from './result.ts';
import { inTabWorker } from './tab-worker.ts';

const MODEL = fileURLToPath(new URL('../public/models/smollm2-135m-instruct', import.meta.url));
const WORKER = fileURLToPath(new URL('./gpu/worker.ts', import.meta.url));
/** Decode on the GPU over one thread of the processor, on the same machine. */
const DECODE_MIN = 2;

/** All layers of SmolLM2-135M on the machine's GPU, beside our CPU stage and the GPU's bandwidth. */
export async function run(): Promise<BenchResult> {
  const browser = await launchBrowserOnGpu();
  const reply = await inTabWorker<GpuReply>({ folder: MODEL, worker: WORKER, browser });
  if ('error' in reply) throw new FaultError('engine/lost', reply.error);
  const name = 'gpu';
  if (reply.measured === null || !isRealGpu(reply.adapter)) {
    const why = `no GPU here: ${reply.adapter ?? 'the browser has none'}`;
    return { name, machine: machine(), figures: { skipped: why }, bars: [] };
  }
  const { engine, gpu, cpu, batchMs, top1, worstLogit } = reply.measured;
  const { bandwidthBytesPerMs, bytesPerToken } = reply.measured;
  const rate = (ms: number): number => Number((1000 / ms).toFixed(1));
  return {
    ...{ name, machine: machine() },
    figures: {
      GPU: reply.adapter ?? 'unnamed',
      engine,
      'decode at past 128, tok/s': rate(gpu.decodeMs),
      'decode at past 128, one thread, tok/s': rate(cpu.decodeMs),
      'decode of 8 sessions, tok/s': rate(batchMs[0] / 8),
      'decode of 16 sessions, tok/s': rate(batchMs[1] / 16),
      'prefill of 128, tok/s': rate(gpu.prefillMs / 128),
      'prefill of 128, one thread, tok/s': rate(cpu.prefillMs / 128),
      'bandwidth of a copy, GB/s': Number((bandwidthBytesPerMs / 1e6).toFixed(1)),
      'decode, share of that bandwidth': Number(
        (bytesPerToken / gpu.decodeMs / bandwidthBytesPerMs).toFixed(3),
      ),
      'same best id as fp32 on the processor, of 128 rows': top1,
      'worst logit, of the largest': worstLogit,
    },
    bars: [
      atLeast('decode over one thread of the processor', cpu.decodeMs / gpu.decodeMs, {
        ...{ min: DECODE_MIN, unit: '×' },
      }),
    ],
  };
}
