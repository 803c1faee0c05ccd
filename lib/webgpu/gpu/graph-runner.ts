import { must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { hasHead, type LayerRange, type ModelShape } from '../model.ts';
import { KV_SIDES, VALUE, pastName, presentName } from './decoder-graph.ts';
import type { GpuDevice } from './device.ts';
import type { BuiltGraph } from './graph-builder.ts';
import type { KvSlot } from './kv-slots.ts';
import { encodeModel } from './onnx/model.ts';
import type { OrtWorker, Session } from './ort.ts';

export interface RunInput {
  /** [rows × hidden] fp32. */
  readonly hidden: Float32Array<ArrayBuffer>;
  readonly rows: number;
  /** Positions that the slot holds before this run. */
  readonly past: number;
  readonly slot: KvSlot;
  /** Rows of which logits are wanted, at least one; not read where the range has no head. */
  readonly headRows: readonly number[];
}

interface RunnerOptions {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly gpu: GpuDevice;
  readonly ort: OrtWorker;
  readonly built: BuiltGraph;
}

/** A decoder graph on the GPU: one call a run, all calls through the worker's lock. */
export class GraphRunner {
  readonly #options: Omit<RunnerOptions, 'built'>;
  readonly #session: Session;
  readonly #output: string;

  private constructor({ shape, range, gpu, ort }: RunnerOptions, session: Session) {
    this.#options = { shape, range, gpu, ort };
    this.#session = session;
    this.#output = hasHead(shape, range) ? VALUE.logits : VALUE.hiddenOut;
  }

  /**
   * @throws FaultError `engine/unsupported` where ONNX Runtime refuses the graph; `engine/lost`;
   *   `engine/out-of-memory` where the weights do not fit.
   */
  static async create(options: RunnerOptions): Promise<GraphRunner> {
    const { gpu, built, ort } = options;
    const model = encodeModel(built.graph);
    try {
      const create = () =>
        ort.ort.InferenceSession.create(model, {
          executionProviders: [{ name: 'webgpu', device: gpu.device }],
          externalData: built.files.map(({ path, data }) => ({ path, data })),
          // Only what goes to the network or the sampler leaves the GPU.
          preferredOutputLocation: 'cpu',
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
   * Appends rows to a session's slot: [rows × hidden], or [headRows × vocab] with the head.
   * @throws FaultError `engine/lost` where the device went or the run failed.
   */
  async run(input: RunInput): Promise<Float32Array> {
    const { gpu, ort } = this.#options;
    try {
      gpu.check();
      const output = await ort.mutex.run(() => this.#runNow(input));
      // A run on a lost device ends without an error (stack.md).
      gpu.check();
      return output;
    } catch (cause) {
      if (cause instanceof FaultError) throw cause;
      throw new FaultError('engine/lost', 'a run on the GPU failed', { cause });
    }
  }

  release(): Promise<void> {
    return this.#options.ort.mutex.run(() => this.#session.release());
  }

  async #runNow(input: RunInput): Promise<Float32Array> {
    const { hidden, rows, past, headRows } = input;
    const { Tensor } = this.#options.ort.ort;
    const { shape } = this.#options;
    const kv = this.#kvTensors(input.slot);
    const feeds: Record<string, InstanceType<typeof Tensor>> = {
      [VALUE.hiddenIn]: new Tensor('float32', hidden, [1, rows, shape.hidden]),
      [VALUE.lastPosition]: new Tensor('int32', Int32Array.of(past + rows - 1), [1]),
      [VALUE.positions]: new Tensor('int32', Int32Array.of(past + rows), []),
    };
    if (this.#output === VALUE.logits) {
      feeds[VALUE.headRows] = new Tensor('int32', Int32Array.from(headRows), [headRows.length]);
    }
    const fetches: Record<string, InstanceType<typeof Tensor> | null> = { [this.#output]: null };
    for (const { past, present, tensor } of kv) {
      feeds[past] = tensor;
      fetches[present] = tensor;
    }
    const results = await this.#session.run(feeds, fetches);
    const output = must(results[this.#output], 'a run has its output');
    return (await output.getData()) as Float32Array;
  }

  #kvTensors({ capacity, buffers }: KvSlot) {
    const { range, shape } = this.#options;
    const { Tensor } = this.#options.ort.ort;
    const dims = [1, shape.kvHeads, capacity, shape.headDim];
    return buffers.map((buffer, i) => {
      const layer = range.first + Math.floor(i / 2);
      const side = must(KV_SIDES[i % 2], 'a buffer holds keys or values');
      const tensor = Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims });
      return { past: pastName(layer, side), present: presentName(layer, side), tensor };
    });
  }
}
