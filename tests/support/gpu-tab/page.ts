import type { Order, Reply } from './jobs.ts';

declare global {
  var gpuTab: { order(order: Order): Promise<unknown> };
}

const worker = new Worker('/worker.js');

globalThis.gpuTab = {
  order: (order) =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<Reply>) => {
        if ('error' in data) reject(new Error(data.error));
        else resolve(data.result);
      };
      worker.onerror = ({ message }) => {
        reject(new Error(message));
      };
      worker.postMessage(order);
    }),
};
