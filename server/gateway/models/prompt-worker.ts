import { workerData, type MessagePort } from 'node:worker_threads';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import type { JobPort } from '#lib/webgpu/worker/protocol.ts';
import { serveJobs } from '#lib/webgpu/worker/serve-jobs.ts';
import type { Prompt } from './directory.ts';
import { promptReader } from './read-prompt.ts';

/** A worker thread that reads prompts of one model; started by `PromptClient`. */

/** What the worker is started with. */
export interface PromptWorkerData {
  /** The model's package. */
  readonly folder: string;
  readonly port: MessagePort;
}

export interface PromptJobs {
  readonly read: { readonly args: Prompt; readonly result: readonly number[] };
}

const { folder, port } = workerData as PromptWorkerData;
const reading = openPackageFolder(folder).then(promptReader);
serveJobs(port as unknown as JobPort, {
  read: async (prompt: Prompt) => (await reading)(prompt),
});
