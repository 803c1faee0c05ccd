import { FaultError } from '#lib/kernel/errors.ts';
import { replySchema, type JobPort, type JobReply, type JobTable } from './protocol.ts';

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (fault: FaultError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

export interface JobClientOptions {
  /** To the worker's `serveJobs`; the client takes its `onmessage`. */
  readonly port: JobPort;
  /** Ends the worker: a hung one gives memory back in no other way. */
  readonly terminate: () => void;
  /** The worker is gone, once, after all its jobs have failed: build another one. */
  readonly onLost: (fault: FaultError) => void;
}

export interface JobOptions {
  /** Past this the worker counts as hung: it is terminated, and all its jobs fail. */
  readonly deadlineMs: number;
  readonly transfer?: Transferable[];
}

/**
 * The main thread's side of a worker: one promise a job, a deadline for each. A worker that misses
 * a deadline is never trusted again.
 */
export class JobClient<Jobs extends JobTable<Jobs>> {
  readonly #options: JobClientOptions;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #end: FaultError | null = null;

  constructor(options: JobClientOptions) {
    this.#options = options;
    options.port.onmessage = ({ data }: MessageEvent<unknown>) => {
      const reply = replySchema.safeParse(data);
      if (reply.success) this.#settle(reply.data);
      else this.lose(new FaultError('engine/lost', 'the worker sent what is not an answer'));
    };
  }

  /**
   * @throws FaultError the handler's own; `kernel/timeout` for the job that was late;
   *   `engine/lost` for all others when the worker goes.
   */
  run<Name extends keyof Jobs & string>(
    name: Name,
    args: Jobs[Name]['args'],
    { deadlineMs, transfer }: JobOptions,
  ): Promise<Jobs[Name]['result']> {
    if (this.#end) return Promise.reject(this.#end);
    const id = this.#nextId;
    this.#nextId += 1;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => this.#late(id, name, deadlineMs), deadlineMs);
      this.#pending.set(id, { resolve, reject, timer });
    });
    this.#options.port.postMessage({ id, name, args }, transfer);
    return answer;
  }

  /** The worker is gone, or must go: its `error` event, a lost device. Fails all jobs. */
  lose(fault: FaultError): void {
    if (this.#end) return;
    this.#finish(fault);
    this.#options.onLost(fault);
  }

  /** Ends the worker because nobody needs it: jobs fail with `kernel/aborted`, `onLost` is silent. */
  dispose(): void {
    if (!this.#end) this.#finish(new FaultError('kernel/aborted', 'the worker was ended'));
  }

  #late(id: number, name: string, deadlineMs: number): void {
    const fault = new FaultError('kernel/timeout', `job ${name} took more than ${deadlineMs} ms`);
    this.#take(id)?.reject(fault);
    this.lose(new FaultError('engine/lost', 'the worker hung', { cause: fault }));
  }

  #finish(fault: FaultError): void {
    this.#end = fault;
    this.#options.port.onmessage = null;
    this.#options.terminate();
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(fault);
  }

  #settle(reply: JobReply): void {
    const job = this.#take(reply.id);
    if (!job) return;
    if (reply.ok) job.resolve(reply.result);
    else job.reject(FaultError.fromWire(wireOf(reply.fault)));
  }

  #take(id: number): Pending | undefined {
    const job = this.#pending.get(id);
    if (!job) return undefined;
    clearTimeout(job.timer);
    this.#pending.delete(id);
    return job;
  }
}

type ReplyFault = Extract<JobReply, { ok: false }>['fault'];

const wireOf = ({ code, message, details }: ReplyFault) => ({
  code,
  message,
  ...(details ? { details } : {}),
});
