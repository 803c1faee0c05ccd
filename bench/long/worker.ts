import { loadKernels } from '#lib/webgpu/cpu/browser.ts';
import { answerInTab } from '../worker-reply.ts';
import { measureLong } from './measure.ts';

answerInTab(async ({ shape }, weights) =>
  measureLong({ module: await loadKernels(), shape, weights }),
);
