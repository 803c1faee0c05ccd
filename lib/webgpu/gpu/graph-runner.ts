import { must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { hasHead, type LayerRange, type ModelShape } from '../model.ts';
import { KV_SIDES, VALUE, pastName, presentName } from './decoder-graph.ts';
import type { GpuDevice } from './device.ts';
import type { BuiltGraph, Precision } from './graph-builder.ts';
import type { LogitsOnGpu } from './head/logits-reader.ts';
import type { KvGroup } from './kv/kv-groups.ts';
import { encodeModel } from './onnx/model.ts';
import type { OrtWorker, Session } from './ort.ts';

export interface RunInput {
  /** [slots × rows × hidden] fp32. */
  readonly hidden: Float32Array<ArrayBuffer>;
  /** Of each slot; one where there are several slots. */
  readonly rows: number;
  /** All slots of the group take part. */
  readonly group: KvGroup;
  /** By slot: position of its last row. */
  readonly last: Int32Array;
  /** Rows of each slot of which logits are wanted, at least one; not read without the head. */
  readonly headRows: readonly number[];
}

/** Hidden rows [slots × rows × hidden]; or, with the head, logits [slots × headRows × vocab]. */
export type RunOutput = Float32Array | LogitsOnGpu;

interface RunnerOptions {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  /** Of keys and values. */
  readonly precision: Precision;
  readonly gpu: GpuDevice;
  readonly ort: OrtWorker;
  readonly built: BuiltGraph;
}

/** A decoder graph on the GPU: one call a run, all calls through the worker's lock. */
export class GraphRunner {
  readonly #options: Omit<RunnerOptions, 'built'>;
  readonly #session: Session;
  readonly #output: string;

  private constructor(options: Omit<RunnerOptions, 'built'>, session: Session) {
    const { shape, range } = options;
    this.#options = options;
    this.#session = session;
    this.#output = hasHead(shape, range) ? VALUE.logits : VALUE.hiddenOut;
  }

  /**
   * @throws FaultError `engine/unsupported` where ONNX Runtime refuses the graph; `engine/lost`;
   *   `engine/out-of-memory` where the weights do not fit.
   */
  static async create({ built, ...options }: RunnerOptions): Promise<GraphRunner> {
    const { gpu, ort, shape, range } = options;
    const model = encodeModel(built.graph);
    try {
      const create = () =>
        ort.ort.InferenceSession.create(model, {
          executionProviders: [{ name: 'webgpu', device: gpu.device }],
          externalData: built.files.map(({ path, data }) => ({ path, data })),
          // Hidden rows go to the network. Of logits, only what sampling needs leaves the GPU.
          preferredOutputLocation: hasHead(shape, range) ? 'gpu-buffer' : 'cpu',
          // An operator that would run on the processor is a refusal, not a slow stage.
          extra: { session: { disable_cpu_ep_fallback: '1' } },
        });
      const session = await ort.mutex.run(() => gpu.withinMemory(create));
      return new GraphRunner(options, session);
    } catch (cause) {
      if (cause instanceof FaultError) throw cause;
      throw new FaultError('engine/unsupported', 'ONNX Runtime refuses this graph', { cause });
    }
  }

  /**
   * Appends rows to the slots of a group, and what `take` makes of the output: logits are gone from
   * the GPU afterwards.
   * @throws FaultError `engine/lost` where the device went or the run failed.
   */
  async run<Result>(
    input: RunInput,
    take: (output: RunOutput) => Promise<Result>,
  ): Promise<Result> {
    const { gpu, ort } = this.#options;
    try {
      gpu.check();
      const result = await ort.mutex.run(() => this.#runNow(input, take));
      // A run on a lost device ends without an error.
      gpu.check();
      return result;
    } catch (cause) {
      if (cause instanceof FaultError) throw cause;
      // A device that was given up makes its run fail: the reason is the device's.
      gpu.check();
      throw new FaultError('engine/lost', 'a run on the GPU failed', { cause });
    }
  }

  release(): Promise<void> {
    return this.#options.ort.mutex.run(() => this.#session.release());
  }

  async #runNow<Result>(
    input: RunInput,
    take: (output: RunOutput) => Promise<Result>,
  ): Promise<Result> {
    const { hidden, rows, last, group, headRows } = input;
    const { Tensor } = this.#options.ort.ort;
    const { shape } = this.#options;
    const slots = group.members.length;
    const most = last.reduce((a, b) => Math.max(a, b), 0);
    const feeds: Record<string, InstanceType<typeof Tensor>> = {
      [VALUE.hiddenIn]: new Tensor('float32', hidden, [slots, rows, shape.hidden]),
      [VALUE.lastPosition]: new Tensor('int32', last, [slots]),
      [VALUE.positions]: new Tensor('int32', Int32Array.of(most + 1), []),
    };
    if (this.#output === VALUE.logits) {
      feeds[VALUE.headRows] = new Tensor('int32', Int32Array.from(headRows), [headRows.length]);
    }
    const fetches: Record<string, InstanceType<typeof Tensor> | null> = { [this.#output]: null };
    for (const { past, present, tensor } of this.#kvTensors(group)) {
      feeds[past] = tensor;
      fetches[present] = tensor;
    }
    const results = await this.#session.run(feeds, fetches);
    const output = must(results[this.#output], 'a run has its output');
    if (this.#output === VALUE.hiddenOut) return take((await output.getData()) as Float32Array);
    try {
      return await take({ buffer: output.gpuBuffer, rows: slots * headRows.length });
    } finally {
      output.dispose();
    }
  }

  #kvTensors({ capacity, buffers, members }: KvGroup) {
    const { range, shape, precision } = this.#options;
    const { Tensor } = this.#options.ort.ort;
    const dims = [members.length, shape.kvHeads, capacity, shape.headDim];
    return buffers.map((buffer, i) => {
      const layer = range.first + Math.floor(i / 2);
      const side = must(KV_SIDES[i % 2], 'a buffer holds keys or values');
      const tensor = Tensor.fromGpuBuffer(buffer, { dataType: precision, dims });
      return { past: pastName(layer, side), present: presentName(layer, side), tensor };
    });
  }
}
