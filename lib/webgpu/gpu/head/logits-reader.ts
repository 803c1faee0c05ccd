import { FaultError } from '#lib/kernel/errors.ts';
import type { GpuDevice } from '../device.ts';
import { topRowOf, type TopRow } from './top-row.ts';
import { ANSWER_WORDS, TOP_SHADER } from './top-shader.ts';

/** Rows of logits that a run left on the GPU, fp32 [rows × vocab] at the buffer's beginning. */
export interface LogitsOnGpu {
  readonly buffer: GPUBuffer;
  readonly rows: number;
}

/** Reads logits from the GPU: what sampling needs of a row (about a KB), or whole rows. */
export class LogitsReader {
  readonly #device: GPUDevice;
  readonly #pipeline: GPUComputePipeline;
  readonly #vocab: number;

  private constructor(device: GPUDevice, pipeline: GPUComputePipeline, vocab: number) {
    this.#device = device;
    this.#pipeline = pipeline;
    this.#vocab = vocab;
  }

  /** @throws FaultError `engine/unsupported` where the GPU does not compile the shader; `engine/lost`. */
  static async create(gpu: GpuDevice, vocab: number): Promise<LogitsReader> {
    const { device } = gpu;
    try {
      const module = device.createShaderModule({ code: TOP_SHADER });
      const compute = { module, constants: { vocab } };
      const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute });
      return new LogitsReader(device, pipeline, vocab);
    } catch (cause) {
      gpu.check();
      throw new FaultError('engine/unsupported', 'the GPU compiles no top-k shader', { cause });
    }
  }

  /** Of each row, what its draw needs; `draws` has 1 / temperature and a share for each. */
  async top(logits: LogitsOnGpu, draws: readonly (readonly [number, number])[]): Promise<TopRow[]> {
    const { rows } = logits;
    const answerBytes = 4 * ANSWER_WORDS;
    const made = [
      this.#buffer(8 * rows, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST),
      this.#buffer(answerBytes * rows, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC),
    ] as const;
    const [given, answers] = made;
    this.#device.queue.writeBuffer(given, 0, Float32Array.from(draws.flat()));
    try {
      const bytes = await this.#read(answerBytes * rows, (encoder, target) => {
        const pass = encoder.beginComputePass();
        pass.setPipeline(this.#pipeline);
        const entries = [logits.buffer, given, answers].map((buffer, binding) => {
          return { binding, resource: { buffer } };
        });
        const layout = this.#pipeline.getBindGroupLayout(0);
        pass.setBindGroup(0, this.#device.createBindGroup({ layout, entries }));
        pass.dispatchWorkgroups(rows);
        pass.end();
        encoder.copyBufferToBuffer(answers, 0, target, 0, answerBytes * rows);
      });
      return Array.from({ length: rows }, (_, row) => {
        const answer = new Uint32Array(bytes, row * answerBytes, ANSWER_WORDS);
        return topRowOf(answer, this.#vocab);
      });
    } finally {
      for (const buffer of made) buffer.destroy();
    }
  }

  /** Whole rows from `first` on, [count × vocab]. */
  async rows({ buffer }: LogitsOnGpu, first: number, count: number): Promise<Float32Array> {
    const rowBytes = 4 * this.#vocab;
    const bytes = await this.#read(count * rowBytes, (encoder, target) => {
      encoder.copyBufferToBuffer(buffer, first * rowBytes, target, 0, count * rowBytes);
    });
    return new Float32Array(bytes);
  }

  /** The bytes that `record` brings into a buffer that can be read here. */
  async #read(
    bytes: number,
    record: (encoder: GPUCommandEncoder, target: GPUBuffer) => void,
  ): Promise<ArrayBuffer> {
    const target = this.#buffer(bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    try {
      const encoder = this.#device.createCommandEncoder();
      record(encoder, target);
      this.#device.queue.submit([encoder.finish()]);
      await target.mapAsync(GPUMapMode.READ);
      return target.getMappedRange().slice(0);
    } finally {
      target.destroy();
    }
  }

  #buffer(size: number, usage: number): GPUBuffer {
    return this.#device.createBuffer({ size, usage });
  }
}
