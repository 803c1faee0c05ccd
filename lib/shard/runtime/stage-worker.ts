import { Batch } from '#lib/kernel/batch.ts';
import { FaultError, type FaultWire } from '#lib/kernel/errors.ts';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { ThreadPlan } from '#lib/webgpu/capability/threads.ts';
import { JobClient } from '#lib/webgpu/worker/job-client.ts';
import type {
  HostCommand,
  HostJobName,
  HostJobs,
  HostReport,
  WorkerStart,
} from '#lib/shard/stage/host-protocol.ts';
import { NODE } from './limits.ts';
import type { WorkerHandle } from './platform.ts';

export interface StageWorkerOptions {
  readonly handle: WorkerHandle;
  readonly self: NodeId;
  readonly serverUrl: string;
  readonly memoryLentBytes: number;
  readonly threads: ThreadPlan;
  readonly onReport: (report: HostReport) => void;
  /** Once: it died, broke a promise, or a job passed its deadline. It is terminated by then. */
  readonly onLost: (fault: FaultWire) => void;
}

/** Past its deadline a job has hung for good, and the whole worker with it (V1). */
const DEADLINE_MS: Readonly<Record<HostJobName, number>> = {
  model: NODE.quickJobMs,
  cached: NODE.quickJobMs,
  'has-room': NODE.quickJobMs,
  unload: NODE.quickJobMs,
  'known-answer': NODE.measureJobMs,
  measure: NODE.measureJobMs,
  'measure-gpu': NODE.measureGpuJobMs,
  engine: NODE.quickJobMs,
  load: NODE.loadJobMs,
  // May take as long as bytes come: `tick` watches for silence.
  fetch: NODE.fetchJobMs,
};

/** The main thread's end of the inference worker: jobs, commands and reports; terminated once. */
export class StageWorker {
  readonly #options: StageWorkerOptions;
  readonly #ring: MessagePort;
  readonly #commands = new Batch<HostCommand>((items) => this.#post(items));
  readonly #jobs: JobClient<HostJobs>;
  #fetches = 0;
  #heardAt = performance.now();
  #ended = false;

  constructor(options: StageWorkerOptions) {
    this.#options = options;
    const ring = new MessageChannel();
    const jobs = new MessageChannel();
    this.#ring = ring.port1;
    this.#jobs = new JobClient<HostJobs>({
      port: jobs.port1,
      terminate: () => this.#end(),
      onLost: (fault) => options.onLost(fault.toWire()),
    });
    this.#ring.onmessage = (event: MessageEvent<readonly HostReport[]>) => {
      for (const report of event.data) this.#onReport(report);
    };
    options.handle.onLost((fault) => this.#jobs.lose(FaultError.fromWire(fault)));
    const { self, serverUrl, memoryLentBytes, threads } = options;
    const start: WorkerStart = {
      ...{ type: 'start', self, serverUrl, memoryLentBytes, threads },
      ...{ ring: ring.port2, jobs: jobs.port2 },
    };
    options.handle.postMessage(start, [ring.port2, jobs.port2]);
  }

  /** @throws FaultError the job's own, or `engine/lost` when the worker ended meanwhile. */
  async job<Name extends HostJobName>(
    name: Name,
    args: HostJobs[Name]['args'],
  ): Promise<HostJobs[Name]['result']> {
    if (name === 'fetch') {
      this.#heardAt = performance.now();
      this.#fetches += 1;
    }
    try {
      return await this.#jobs.run(name, args, { deadlineMs: DEADLINE_MS[name] });
    } finally {
      if (name === 'fetch') this.#fetches -= 1;
    }
  }

  command(command: HostCommand): void {
    this.#commands.add(command);
    // A channel can be transferred in the very call that brought it, and never later.
    if (command.type === 'link-port') this.#commands.flush();
  }

  /** Ends the worker where a fetch has been silent for too long. */
  tick(): void {
    if (this.#fetches === 0 || performance.now() - this.#heardAt < NODE.fetchSilenceMs) return;
    this.#jobs.lose(new FaultError('kernel/timeout', 'the download stood still'));
  }

  /** Nobody needs it any more: jobs fail with `kernel/aborted`, `onLost` is silent. */
  terminate(): void {
    this.#jobs.dispose();
  }

  #post(commands: readonly HostCommand[]): void {
    if (!this.#ended) this.#ring.postMessage(commands, commands.flatMap(transferOf));
  }

  #onReport(report: HostReport): void {
    if (this.#ended) return;
    if (report.type === 'progress') this.#heardAt = performance.now();
    if (report.type === 'failed') this.#jobs.lose(FaultError.fromWire(report.fault));
    else this.#options.onReport(report);
  }

  #end(): void {
    this.#ended = true;
    this.#ring.onmessage = null;
    this.#ring.close();
    this.#options.handle.terminate();
  }
}

function transferOf(command: HostCommand): Transferable[] {
  if (command.type !== 'link-port') return [];
  return [command.port.kind === 'rtc' ? command.port.channel : command.port.port];
}
