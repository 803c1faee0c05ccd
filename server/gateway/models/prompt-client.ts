import { MessageChannel, Worker } from 'node:worker_threads';
import { FaultError, isFault, toFault } from '#lib/kernel/errors.ts';
import { JobClient } from '#lib/webgpu/worker/job-client.ts';
import type { JobPort } from '#lib/webgpu/worker/protocol.ts';
import { GATEWAY } from '../limits.ts';
import type { Prompt } from './directory.ts';
import type { PromptJobs, PromptWorkerData } from './prompt-worker.ts';

const NOTHING: Prompt = { kind: 'text', text: '' };

interface Waiting {
  readonly prompt: Prompt;
  readonly size: number;
  readonly resolve: (ids: readonly number[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads prompts of one model in a worker thread, one at a time. A megabyte of random text keeps
 * the tokenizer busy for 3–6 s: in the gateway's own thread that would silence every node (V1).
 * The shortest waiting prompt goes first, so a long one holds up no more than one turn.
 */
export class PromptClient {
  readonly #folder: string;
  readonly #deadlineMs: number;
  readonly #waiting: Waiting[] = [];
  #busy = false;
  #jobs: JobClient<PromptJobs> | null = null;

  /** @param folder of the model's package. */
  constructor(folder: string, deadlineMs: number = GATEWAY.promptReadMs) {
    this.#folder = folder;
    this.#deadlineMs = deadlineMs;
  }

  /** @throws FaultError `request/invalid`, `session/queue-full`, `package/…`. */
  read(prompt: Prompt): Promise<readonly number[]> {
    if (this.#waiting.length >= GATEWAY.promptsWaitingMax) {
      return Promise.reject(new FaultError('session/queue-full', 'too many prompts wait'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ prompt, size: sizeOf(prompt), resolve, reject });
      void this.#work();
    });
  }

  /** Starts the worker before a person asks. @throws FaultError `package/…`. */
  async open(): Promise<void> {
    await this.read(NOTHING);
  }

  /** Ends the worker; a later prompt starts another one. */
  close(): void {
    this.#jobs?.dispose();
    this.#jobs = null;
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#takeShortest(); next; next = this.#takeShortest()) {
      try {
        next.resolve(await this.#readNow(next.prompt));
      } catch (error) {
        next.reject(error);
      }
    }
    this.#busy = false;
  }

  #takeShortest(): Waiting | undefined {
    const sizes = this.#waiting.map(({ size }) => size);
    return this.#waiting.splice(sizes.indexOf(Math.min(...sizes)), 1)[0];
  }

  async #readNow(prompt: Prompt): Promise<readonly number[]> {
    const jobs = this.#jobs ?? (await this.#warm());
    try {
      return await jobs.run('read', prompt, { deadlineMs: this.#deadlineMs });
    } catch (error) {
      if (!isFault(error, 'kernel/timeout')) throw error;
      const message = 'The prompt takes too long to be cut into tokens: shorten it.';
      const details = { param: prompt.kind === 'chat' ? 'messages' : 'prompt' };
      throw new FaultError('request/invalid', message, { cause: error, details });
    }
  }

  /** A new worker that has loaded its tokenizer, so that no prompt's deadline pays for that. */
  async #warm(): Promise<JobClient<PromptJobs>> {
    const jobs = this.#start();
    this.#jobs = jobs;
    await jobs.run('read', NOTHING, { deadlineMs: GATEWAY.promptReaderStartMs });
    return jobs;
  }

  #start(): JobClient<PromptJobs> {
    const { port1, port2 } = new MessageChannel();
    const workerData: PromptWorkerData = { folder: this.#folder, port: port2 };
    const worker = new Worker(new URL('./prompt-worker-boot.mjs', import.meta.url), {
      workerData,
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: GATEWAY.promptReaderHeapMb },
    });
    const jobs = new JobClient<PromptJobs>({
      port: port1 as unknown as JobPort,
      terminate: () => {
        port1.close();
        void worker.terminate();
      },
      onLost: () => {
        if (this.#jobs === jobs) this.#jobs = null;
      },
    });
    worker.on('error', (error) => jobs.lose(toFault(error, 'engine/lost')));
    worker.on('exit', () => jobs.lose(new FaultError('engine/lost', 'the prompt reader ended')));
    // An idle reader must not keep the process alive.
    worker.unref();
    port1.unref();
    return jobs;
  }
}

const sizeOf = (prompt: Prompt): number =>
  prompt.kind === 'text'
    ? prompt.text.length
    : prompt.messages.reduce((sum, { content }) => sum + content.length, 0);
