// Entry of a helper thread of a stage in Node.
import { parentPort, workerData } from 'node:worker_threads';
import { help } from './help.mjs';

help(workerData, () => parentPort.postMessage('ready'));
