import { loadKernels } from '#lib/webgpu/cpu/browser.ts';
import { answerInTab } from '../worker-reply.ts';
import { measurePrefill } from './measure.ts';

answerInTab(async ({ shape }, weights) =>
  measurePrefill({ module: await loadKernels(), shape, weights }),
);
