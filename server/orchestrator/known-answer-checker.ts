import { MessageChannel, Worker } from 'node:worker_threads';
import { FaultError } from '#lib/kernel/errors.ts';
import type { KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import type { LayerRange, Numerics } from '#lib/webgpu/model.ts';
import { JobClient } from '#lib/webgpu/worker/job-client.ts';
import type { JobPort } from '#lib/webgpu/worker/protocol.ts';
import type { CheckerJobs } from './known-answer-worker.ts';

/** What the orchestrator asks: the answer that a right device gives (M7). */
export interface AnswerChecker {
  /** @throws FaultError where it cannot be recomputed just now. */
  expect(question: KnownQuestion): Promise<KnownAnswer>;
  close(): void;
}

export interface KnownQuestion {
  readonly range: LayerRange;
  readonly numerics: Numerics;
  readonly seed: number;
  readonly rows: number;
}

const CHECKER = {
  /** A whole model of 135M takes 0.5 s; a hung thread is ended past this. */
  jobMs: 120_000,
  /** The thread, and the memory its WASM took, go back when nobody joins for so long. */
  idleMs: 10_000,
} as const;

/** Recomputes on the CPU kernels in a worker thread, one question at a time. */
export function createKnownAnswerChecker(packageFolder: string): AnswerChecker {
  let client: JobClient<CheckerJobs> | null = null;
  let last: Promise<unknown> = Promise.resolve();
  let idle: NodeJS.Timeout | undefined;
  let closed = false;

  const rest = (): void => {
    clearTimeout(idle);
    client?.dispose();
    client = null;
  };

  const recompute = async (question: KnownQuestion): Promise<KnownAnswer> => {
    if (closed) throw new FaultError('kernel/aborted', 'the checker is closed');
    clearTimeout(idle);
    client ??= startWorker(() => {
      client = null;
    });
    const args = { folder: packageFolder, ...question };
    try {
      return await client.run('recompute', args, { deadlineMs: CHECKER.jobMs });
    } finally {
      idle = setTimeout(rest, CHECKER.idleMs).unref();
    }
  };

  return {
    expect(question) {
      const answer = last.then(() => recompute(question));
      last = answer.catch(() => undefined);
      return answer;
    },
    close() {
      closed = true;
      rest();
    },
  };
}

function startWorker(onLost: () => void): JobClient<CheckerJobs> {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./known-answer-boot.mjs', import.meta.url), {
    workerData: { port: port2 },
    transferList: [port2],
  });
  const client = new JobClient<CheckerJobs>({
    port: port1 as unknown as JobPort,
    terminate: () => {
      port1.close();
      void worker.terminate();
    },
    onLost,
  });
  const lose = (cause: unknown): void => {
    client.lose(new FaultError('engine/lost', 'the known-answer thread ended', { cause }));
  };
  worker.once('error', lose);
  worker.once('exit', lose);
  worker.unref();
  return client;
}
