// A worker with a stage of three threads that never comes back from a step.
import { parentPort } from 'node:worker_threads';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const file = (path) => new URL(`../../../${path}`, import.meta.url);
const module = new WebAssembly.Module(readFileSync(file('public/kernels/kernels-threads.wasm')));
const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const control = exports.heapBase() + 1024 - (exports.heapBase() % 128);
exports.useThreads(control);
const workerData = { module, memory, control, range: control + 1024 };
const helpers = [1, 2].map(() => {
  return new Worker(file('lib/webgpu/cpu/helper-node.mjs'), { workerData, execArgv: [] });
});
await Promise.all(helpers.map((helper) => new Promise((joined) => helper.once('message', joined))));
parentPort.postMessage('hung');
for (;;);
